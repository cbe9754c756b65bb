"""The command line: LightningCLI with a ``search`` subcommand, and one module a command."""
