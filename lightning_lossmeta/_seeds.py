"""Seeds that derive from one, a stream of numbers for each purpose."""

from __future__ import annotations

import random
from enum import IntEnum

import numpy as np
import torch

_SEEDS = 2**32


class _Purpose(IntEnum):
    """A purpose with the count of numbers that tell its seeds apart."""

    count: int

    def __new__(cls, value: int, count: int) -> _Purpose:
        member = int.__new__(cls, value)
        member._value_ = value
        member.count = count
        return member


class Purpose(_Purpose):
    """What a seed that derives from that of a search, a comparison or a task is for."""

    #: The searcher's own draws.
    SEARCHER = 0, 0
    #: Trainings of a generation; by generation and task.
    GENERATION = 1, 2
    #: Trainings of the finalists, or of what takes their place; by round and task.
    FINALISTS = 2, 2
    #: Artificial predictions of the filters.
    PREDICTIONS = 3, 0
    #: Trainings of a comparison that choose learning rates; by number.
    TUNING = 4, 1
    #: Trainings of a comparison that score on the test split; by number.
    SCORING = 5, 1
    #: Further seeds of a generation's trainings, from the second on; by generation, task and seed.
    FURTHER_SEEDS = 6, 3
    #: Searches within a comparison; by number.
    COMPARED_SEARCHES = 7, 1
    #: An episode's initial weights; by number of the episode.
    WEIGHTS = 10, 1
    #: An episode's batches; by number of the batch.
    BATCHES = 11, 1
    #: What an episode's network draws, as for dropout; by number of the episode.
    FORWARD = 12, 1
    #: Noise on parameters before a local search.
    NOISE = 13, 0
    #: How far the training is that an episode stands for; by number of the episode.
    EPISODE_PROGRESS = 14, 1
    #: Random starts of an attack; by the first sample's place and restart.
    ATTACK = 15, 2
    #: Random starts of the attack on a training batch; by number of the batch.
    TRAINING_ATTACK = 16, 1
    #: A searcher's draws after it was begun anew; by number of the restart.
    RESTART = 20, 1


class LabelPurpose(_Purpose):
    """What a seed that derives from a data module's ``noise_seed`` is for."""

    #: Noise on training labels.
    TRAIN = 0, 0
    #: Noise on validation labels.
    VALIDATION = 1, 0


def derived_seed(seed: int, purpose: Purpose | LabelPurpose, *numbers: int) -> int:
    """A seed for one purpose: equal arguments give equal seeds, any others unrelated ones.

    Args:
        seed: The seed that the new one derives from.
        purpose: What the new seed is for, which says how many numbers follow. Without that, numbers
            of zero at the end would make no difference.
        *numbers: Tell the seeds of this purpose apart.

    Raises:
        ValueError: If the seed or a number is out of its range, or the count of numbers is not
            that of the purpose.

    >>> first = derived_seed(1, Purpose.TUNING, 0)
    >>> first == derived_seed(1, Purpose.TUNING, 0) != derived_seed(1, Purpose.SCORING, 0)
    True
    """
    check_seed(seed=seed, **{f"numbers[{place}]": item for place, item in enumerate(numbers)})
    if len(numbers) != purpose.count:
        raise ValueError(
            f"Expected {purpose.count} numbers for a seed of {purpose.name}, got {len(numbers)}."
        )
    return int(np.random.SeedSequence((seed, purpose.value, *numbers)).generate_state(1)[0])


def check_seed(**arguments: int) -> None:
    """Refuse a seed that is no integer of 32 bits: larger ones would repeat the streams of others.

    Raises:
        ValueError: Names the argument, what was expected and what came.
    """
    for name, value in arguments.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not 0 <= value < _SEEDS:
            raise ValueError(
                f"Expected argument `{name}` to be an integer from 0 to {_SEEDS - 1}, got "
                f"{value!r}: take a smaller one."
            )


def seed_all(seed: int) -> None:
    """Seed the global generators of PyTorch, Python and NumPy."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % _SEEDS)
