"""What a network trained with a loss has learned to see."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_lossmeta.comparison.methods import Method, loss_of, task_of
from lightning_lossmeta.models.features import penultimate
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.data_view import prepared_data
from lightning_lossmeta.training.session import run_session


def trained_features(method: Method, task: Task, samples: int) -> tuple[Tensor, Tensor]:
    """Train with a method and look at the last layer's inputs.

    Args:
        method: A loss or a training method.
        task: What is trained; its session scores on the split whose samples are taken.
        samples: How many, the first in order; all if there are fewer.

    Returns:
        Features (N, d) and class indices (N,).

    Raises:
        ValueError: If the network has no last linear layer.
    """
    task = task_of(method, task)
    module = task.fresh_module()
    module.loss_fn = loss_of(method)
    run_session(module, task)
    network = getattr(module, "network", module)
    network.eval()
    features, targets, count = [], [], 0
    for inputs, target in prepared_data(task).val_dataloader():
        with torch.no_grad():
            features.append(penultimate(network, inputs.to(module.device)).cpu())
        targets.append(target.cpu())
        count += len(target)
        if count >= samples:
            break
    return torch.cat(features)[:samples], torch.cat(targets)[:samples]
