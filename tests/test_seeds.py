"""Seeds that derive from one: none repeats another, and those of before stay what they were."""

import itertools

import numpy as np
import pytest

from lightning_lossmeta._seeds import LabelPurpose, Purpose, derived_seed

BEFORE = {
    Purpose.SEARCHER: 0,
    Purpose.GENERATION: 1,
    Purpose.FINALISTS: 2,
    Purpose.PREDICTIONS: 3,
    Purpose.COMPARED_SEARCHES: 7,
    Purpose.WEIGHTS: 10,
    Purpose.BATCHES: 11,
    Purpose.FORWARD: 12,
    Purpose.NOISE: 13,
    Purpose.EPISODE_PROGRESS: 14,
    LabelPurpose.TRAIN: 0,
    LabelPurpose.VALIDATION: 1,
}


@pytest.mark.parametrize("purpose", BEFORE, ids=str)
@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1])
def test_seeds_are_those_of_numpys_sequence(purpose, seed):
    numbers = (4, 9)[: purpose.count]
    expected = np.random.SeedSequence((seed, BEFORE[purpose], *numbers)).generate_state(1)[0]
    assert derived_seed(seed, purpose, *numbers) == expected


def test_no_two_calls_give_one_seed():
    seeds = {
        (seed, purpose, numbers): derived_seed(seed, purpose, *numbers)
        for seed in range(6)
        for purpose in Purpose
        for numbers in itertools.product(range(4), repeat=purpose.count)
    }
    assert len(set(seeds.values())) == len(seeds)


def test_a_seed_is_never_the_one_it_derives_from():
    # What a comparison's trainings had for seeds began with the searcher's.
    plain = int(np.random.SeedSequence(5).generate_state(1)[0])
    assert plain == derived_seed(5, Purpose.SEARCHER)
    for purpose in (Purpose.TUNING, Purpose.SCORING):
        assert plain not in [derived_seed(5, purpose, number) for number in range(100)]


@pytest.mark.parametrize("purpose", [*Purpose, *LabelPurpose], ids=str)
def test_the_count_of_numbers_belongs_to_the_purpose(purpose):
    for count in {0, 1, 2, 3, 4} - {purpose.count}:
        with pytest.raises(ValueError, match=f"Expected {purpose.count} numbers"):
            derived_seed(1, purpose, *[0] * count)


@pytest.mark.parametrize("bad", [-1, 2**32, 2**40 + 5, 0.5, True, None])
def test_seeds_beyond_32_bits_are_refused(bad):
    with pytest.raises(ValueError, match="`seed` to be an integer from 0 to 4294967295"):
        derived_seed(bad, Purpose.SEARCHER)
    with pytest.raises(ValueError, match=r"`numbers\[1\]` to be an integer from 0 to 4294967295"):
        derived_seed(1, Purpose.GENERATION, 0, bad)


def test_numbers_of_numpy_serve():
    assert derived_seed(np.int64(3), Purpose.TUNING, np.uint32(1)) == derived_seed(
        3, Purpose.TUNING, 1
    )
