"""What a fingerprint says of tensors, arrays and generators of random numbers."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from lightning_lossmeta._fingerprint.walk import Walk, describe_value

_describe_object = describe_value.dispatch(object)


@describe_value.register
def _array(value: np.ndarray, walk: Walk) -> Any:
    if type(value) is not np.ndarray:  # e.g. with a mask
        return _describe_object(value, walk)
    if value.dtype.hasobject:
        return {"array": list(value.shape), "entries": walk.at("entries", value.ravel().tolist())}
    content = hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()[:20]
    return {"array": f"{value.dtype.str} {value.shape} {content}"}


@describe_value.register
def _number(value: np.generic, walk: Walk) -> Any:
    return {"number": f"{value.dtype} {value!r}"}


@describe_value.register
def _generator(value: torch.Generator, walk: Walk) -> Any:
    return {"generator": value.initial_seed(), "state": walk.at("state", value.get_state())}


@describe_value.register
def _tensor(value: Tensor, walk: Walk) -> Any:
    try:
        parts = _parts(value, id(value) in walk.drawn)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise walk.refusal("a tensor that can be read", f"{error}") from None
    trained = " trained" if value.requires_grad else ""
    return {"tensor": f"{str(value.dtype).removeprefix('torch.')} {parts}{trained}"}


def _parts(value: Tensor, drawn: bool) -> str:
    """Describe a tensor of any layout by its shape and a digest of its content."""
    if is_lazy(value):
        return "of no shape yet"
    shape, value = str(tuple(value.shape)), value.detach()
    if value.is_meta:
        return f"{shape} meta"
    if drawn:
        return f"{shape} drawn, about {_root_mean_square(value):.1e}"
    content = hashlib.sha256()
    for dense in _dense(value):
        content.update(f"{dense.dtype} {tuple(dense.shape)}".encode())
        content.update(_bytes_of(dense))
    return f"{shape} {content.hexdigest()[:20]}"


def _root_mean_square(value: Tensor) -> float:
    return float(value.to_dense().abs().double().square().mean().sqrt())


def _dense(value: Tensor) -> list[Tensor]:
    """The dense tensors that a tensor is made of."""
    if value.is_quantized and value.qscheme() is torch.per_tensor_affine:
        scale = torch.tensor([value.q_scale(), value.q_zero_point()], dtype=torch.float64)
        return [value.int_repr(), scale]
    if value.is_quantized:
        scales, zeros = value.q_per_channel_scales(), value.q_per_channel_zero_points()
        return [value.int_repr(), scales, zeros]
    if value.layout is torch.sparse_coo:
        value = value.coalesce()
        return [value.indices(), value.values()]
    if value.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [value.crow_indices(), value.col_indices(), value.values()]
    if value.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [value.ccol_indices(), value.row_indices(), value.values()]
    return [value]


def _bytes_of(value: Tensor) -> memoryview:
    flat = value.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
