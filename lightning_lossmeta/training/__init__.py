"""One training of a module with a loss: its data, its seeds, its fit and its record."""

from lightning_lossmeta.training.faults import MachineError

__all__ = ["MachineError"]
