"""Configurations, mutated: each is parsed, or refused with words and status 2."""

import collections

import pytest
from attacking import sizes
from config_fuzz import fuzz


@pytest.mark.filterwarnings("ignore")
@sizes(small=25, large=5000)
def test_mutated_configurations_are_parsed_or_refused(count, seed, report):
    endings, wrong = collections.Counter(), {}
    for source, content, ended in fuzz(count, seed):
        endings[ended if len(ended) < 20 else "traceback"] += 1
        if ended not in ("parsed", "refused"):
            wrong.setdefault(f"{source}: {ended[-600:]}", content[:1500])
    report(f"{count} configurations, seed {seed}: {dict(endings)}")
    assert not wrong
    assert endings["parsed"] >= count / 10
    assert endings["refused"] >= count / 10
