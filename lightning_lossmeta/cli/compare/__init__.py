"""What ``lossmeta compare`` and ``lossmeta embed`` are asked for."""
