from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from lightning_lossmeta.local_search.optimizers import (
    UnrolledAdam,
    UnrolledSGD,
    update_rules,
)

LAYER = nn.Linear(2, 2)
NAMED = dict(LAYER.named_parameters())


def test_settings_are_read():
    make = partial(SGD, lr=0.3, momentum=0.9, weight_decay=0.1, nesterov=True)
    rule = UnrolledSGD(0.3, momentum=0.9, weight_decay=0.1, nesterov=True)
    assert update_rules(make(LAYER.parameters()), NAMED) == {"weight": rule, "bias": rule}
    rules = update_rules(Adam(LAYER.parameters(), 0.1, (0.5, 0.6), 1e-3, 0.2), NAMED)
    assert rules["bias"] == UnrolledAdam(0.1, (0.5, 0.6), 1e-3, 0.2, decoupled=False)
    rules = update_rules(AdamW(LAYER.parameters(), lr=torch.tensor(0.5)), NAMED)
    assert rules["bias"] == UnrolledAdam(0.5, (0.9, 0.999), 1e-8, 0.01, decoupled=True)
    rules = update_rules(Adam(LAYER.parameters(), decoupled_weight_decay=True), NAMED)
    assert rules["bias"].decoupled


def test_groups_have_rules_of_their_own():
    groups = [{"params": [LAYER.bias], "lr": 0.5}, {"params": [LAYER.weight], "momentum": 0.9}]
    rules = update_rules(SGD(groups, lr=0.1), NAMED)
    assert rules == {"weight": UnrolledSGD(0.1, momentum=0.9), "bias": UnrolledSGD(0.5)}


def test_without_a_rule_what_is_not_trained():
    assert set(update_rules(SGD([LAYER.bias]), NAMED)) == {"bias"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (RMSprop, "RMSprop can't be unrolled; known are SGD, Adam, AdamW"),
        (partial(Adam, amsgrad=True), "Adam can't be unrolled with `amsgrad`"),
        (partial(SGD, maximize=True), "SGD can't be unrolled with `maximize`"),
        (type("Own", (SGD,), {}), "Own can't be unrolled"),
    ],
)
def test_others_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        update_rules(make(LAYER.parameters(), lr=0.1), NAMED)
