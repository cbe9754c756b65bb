"""What ``lossmeta curves`` reads and reckons."""
