"""A few hundred draws by hand: ``python tests/helpers/config_fuzz.py 1000 SEED``."""

import collections

from config_fuzz import fuzz


def test_mutated_configurations_are_parsed_or_refused_with_words():
    endings = collections.Counter()
    for source, content, ended in fuzz(count=30, seed=7):
        assert ended in ("parsed", "refused"), f"{source}\n{content!r}\n{ended}"
        endings[ended] += 1
    assert endings["parsed"] >= 5
    assert endings["refused"] >= 5
