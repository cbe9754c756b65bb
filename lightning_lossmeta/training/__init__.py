"""One training of a module with a loss: its data, its seeds, its fit and its record."""
