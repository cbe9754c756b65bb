"""The light subcommands of ``lossmeta``; each module has ``main(argv)`` and needs no trainer."""
