"""The two forms of a tensor that libsoftwarp.so takes: rows with a stride, and a packed tensor [outer, cols, inner]."""

from __future__ import annotations

from math import prod
from typing import NamedTuple, Optional, Sequence

from softwarp._arrays import Memory


class Rows(NamedTuple):
    """Matrices [rows, cols] whose rows lie along the axis."""

    rows: int
    cols: int
    strides: Sequence[int]  # of each array


class Axis(NamedTuple):
    """Packed tensors, for functions of their middle axis."""

    outer: int
    cols: int
    inner: int


def _strides_of(memory: Memory) -> tuple[int, ...]:
    if memory.strides is not None:
        return memory.strides
    strides, step = [], 1
    for size in reversed(memory.shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def _row_stride(shape: Sequence[int], strides: Sequence[int], axis: int, others: Sequence[int]) -> Optional[int]:
    """The stride between rows, if the rows lie one behind the other in the order of the dimensions `others`."""
    cols = shape[axis]
    if strides[axis] != 1 and cols != 1:
        return None
    if not others:
        return cols
    step = stride = strides[others[-1]]
    if stride < cols:
        return None
    for dimension in reversed(others):
        if strides[dimension] != step:
            return None
        step *= shape[dimension]
    return stride


def plan(arrays: Sequence[Memory], axis: int) -> Rows | Axis | None:
    """How arrays of one shape, with elements, can be given to the library; None: one of them has to be copied."""
    shape = arrays[0].shape
    if all(a.strides is None for a in arrays):
        inner = prod(shape[axis + 1:])
        if inner != 1:
            return Axis(prod(shape[:axis]), shape[axis], inner)
        return Rows(prod(shape[:axis]), shape[axis], [shape[axis]] * len(arrays))
    all_strides = [_strides_of(a) for a in arrays]
    others = [d for d in range(len(shape)) if d != axis and shape[d] != 1]
    others.sort(key=lambda d: -all_strides[0][d])
    found = [_row_stride(shape, strides, axis, others) for strides in all_strides]
    strides = [stride for stride in found if stride is not None]
    if len(strides) < len(found):
        return None
    return Rows(prod(shape[d] for d in others), shape[axis], strides)
