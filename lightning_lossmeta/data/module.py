"""What all data modules of this package share: batch sizes, a smaller training part, copies."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.balanced import balanced_subset


class BatchedDataModule(pl.LightningDataModule):
    """Data in batches, of which training may keep a part.

    A subclass that reads data leaves them out of ``__getstate__``: another process reads them
    itself.

    Args:
        batch_size: How many samples a batch of training has.
        eval_batch_size: How many samples a batch of validation, test and prediction has.
        train_size: Keep this many training samples, class-balanced, chosen by ``split_seed``;
            ``None`` keeps all.
        split_seed: Decides which sample is in which split.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        batch_size: int = 100,
        eval_batch_size: int = 2000,
        train_size: int | None = None,
        split_seed: int = 0,
    ) -> None:
        super().__init__()
        check_at_least(1, batch_size=batch_size, eval_batch_size=eval_batch_size)
        if train_size is not None:
            check_at_least(1, train_size=train_size)
        check_at_least(0, split_seed=split_seed)
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.train_size = train_size
        self.split_seed = split_seed

    def _kept_positions(self, targets: Tensor, source: str) -> Tensor | None:
        """Which training samples ``train_size`` keeps.

        Args:
            targets: (N,), of all of them.
            source: What they are, for the message.

        Returns:
            The positions, (train_size,); ``None`` for all samples.

        Raises:
            ValueError: If ``train_size`` is more than there is.
        """
        size = len(targets)
        if self.train_size is None or self.train_size == size:
            return None
        if self.train_size > size:
            raise ValueError(
                f"Expected argument `train_size` to be at most {size}, {source}, got "
                f"{self.train_size}."
            )
        return balanced_subset(targets, self.train_size, self.split_seed)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle all but the Trainer of a fit."""
        state = {**self.__dict__, "trainer": None}
        state.pop("_lossmeta_stages", None)  # another process has to set up again
        return state

    def __copy__(self) -> BatchedDataModule:
        """Copy the object but share its data, unlike a pickle."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin
