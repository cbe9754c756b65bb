"""Small trainings in float64 that meta-gradients go through."""

from functools import partial

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.families.taylor import TaylorLoss
from lightning_lossmeta.local_search.optimizers import update_rules
from lightning_lossmeta.local_search.unrolled import Episode
from lightning_lossmeta.losses import CrossEntropy, Identity, RegressionSquaredError

SGDS = {
    "plain": partial(SGD, lr=0.5),
    "long": partial(SGD, lr=2.0),
    "momentum": partial(SGD, lr=0.3, momentum=0.9),
    "dampening": partial(SGD, lr=0.3, momentum=0.9, dampening=0.4, weight_decay=0.1),
    "nesterov": partial(SGD, lr=0.3, momentum=0.9, nesterov=True, weight_decay=0.1),
}
OTHERS = {
    "adam": partial(Adam, lr=0.05, betas=(0.8, 0.9), eps=1e-2, weight_decay=0.1),
    "adamw": partial(AdamW, lr=0.05, weight_decay=0.2, eps=1e-2),
}
OPTIMIZERS = SGDS | OTHERS

CLASSES = {
    "taylor": TaylorLoss([0.1, -0.2, 0.3, -1.0, 0.2, 2.0, 0.1, -0.3]),
    "robust": TaylorLoss([0.1 * i - 0.4 for i in range(12)], order=4, convention="robust"),
    "expression": ExpressionLoss(
        "aq(sub(log(f), y), tanh(mul(f, y)))", [1.2, 0.9, 1, 2, 0.8, 1, 1, 2]
    ),
    "nonnegative": ExpressionLoss("mul(square(sub(f, y)), -1)", [1.5, 0.9, 1.1, 0.8, 1.0], True),
}
REAL = {
    "regression": ExpressionLoss(
        "aq(square(sub(f, y)), f)", [1.0, 1.1, 0.9, 1.2, 0.7], link=Identity()
    )
}
LOSSES = CLASSES | REAL


def make_network(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), *(layers or (nn.Tanh(),)), nn.Linear(4, 3)).double()


def make_episode(loss="taylor", optimizer="plain", steps=3, network=None):
    """A training, and the task loss of it."""
    network = make_network() if network is None else network
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(steps):
        inputs = torch.randn(6, 3, generator=generator, dtype=torch.float64)
        target = torch.randint(3, (6,), generator=generator)
        batches.append((inputs, inputs.sin() if loss in REAL else target))
    make = OPTIMIZERS.get(optimizer, optimizer)
    rules = update_rules(make(network.parameters()), dict(network.named_parameters()))
    task_loss = RegressionSquaredError() if loss in REAL else CrossEntropy()
    return Episode(network, rules, batches), task_loss


def theta_of(loss):
    return loss.theta.clone().requires_grad_()
