"""Meta-loss networks as Python files that need only torch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from torch import Tensor

from lightning_lossmeta.artifacts.zoo import ReadyLoss
from lightning_lossmeta.families import FreeMetaLossNetwork

_NAMES = ("A", "A_BIAS", "B", "B_BIAS", "W", "W_BIAS", "V")
_FILE = '''\
"""{title}

    L = {formula}

h = softmax(z) of logits z, y the one-hot or soft target, s softplus, for each class k:
p_k = s(A [h_k, log(h_k) / 4] + a), q_k = s(B y_k + b), c = sum_j y_j p_j,
L = mean_k V s(W [p_k, q_k, c] + w).

Written by lightning_lossmeta; needs only torch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

{weights}


class ExportedLoss(nn.Module):
    """Called like a loss of torch.nn; reduction is 'mean', 'sum' or 'none'."""

    def __init__(self, reduction: str = "{reduction}") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"Expected 'mean', 'sum' or 'none', got {{reduction!r}}.")
        self.reduction = reduction

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits (B, n, ...); class indices (B, ...), -100 to ignore, or probabilities."""
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        a, a_bias, b, b_bias, w, w_bias, v = (
            torch.tensor(values, dtype=logits.dtype, device=logits.device)
            for values in ({names})
        )
        ignored = torch.zeros_like(logits[:, 0], dtype=torch.bool)
        if target.is_floating_point():
            y = target.to(logits.dtype)
        else:
            ignored = target == -100
            index = target.long().masked_fill(ignored, 0)
            y = F.one_hot(index, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
        log_h = logits.log_softmax(dim=1)
        p = softplus(F.linear(torch.stack([log_h.exp(), log_h / 4], dim=-1), a, a_bias))
        q = softplus(F.linear(y.unsqueeze(-1), b, b_bias))
        c = (y.unsqueeze(-1) * p).sum(dim=1, keepdim=True).expand_as(p)
        units = softplus(F.linear(torch.cat([p, q, c], dim=-1), w, w_bias))
        loss = (units @ v).mean(dim=1).masked_fill(ignored, 0.0)
        if self.reduction == "none":
            return loss
        return loss.sum() / (~ignored).sum() if self.reduction == "mean" else loss.sum()


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), to the last bit."""
    return F.softplus(x, threshold=40.0)
'''


def network_to_python(ready: ReadyLoss, loss: FreeMetaLossNetwork) -> str:
    """The text of a Python file with the network as an ``nn.Module``; weights are exact.

    Args:
        ready: What is known of the loss.
        loss: The network itself.
    """
    title = " ".join(f"The loss '{ready.name}'. {ready.about}".replace("\\", "/").split())
    weights = zip(_NAMES, loss.layers(loss.theta.dtype), strict=True)
    return _FILE.format(
        title=textwrap.fill(title.replace('"', "'"), 96),
        formula=ready.formula,
        weights="\n".join(line for pair in weights for line in _written(*pair)),
        reduction=ready.loss.reduction,
        names=", ".join(_NAMES),
    )


def _written(name: str, values: Tensor) -> Iterator[str]:
    text = textwrap.fill(repr(values.tolist()), 92, break_long_words=False)
    yield f"{name} = ("
    yield textwrap.indent(text, "    ")
    yield ")"
