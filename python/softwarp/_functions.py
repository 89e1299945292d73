"""softmax, log_softmax, their backwards and the Jacobian, and argmax."""

from __future__ import annotations

from math import prod
from typing import Any, Optional, TypeVar

from softwarp import _library
from softwarp._arrays import Adapter, Memory, adapter_of
from softwarp._layout import Axis, Rows, plan
from softwarp._library import CPU, DTYPE_NAMES, SPLIT_ROW_WORKSPACE_BYTES, failure

ArrayT = TypeVar("ArrayT")

_call = _library.library
_FORWARD = {"softmax": (_call.softwarp_softmax, _call.softwarp_softmax_axis),
            "log_softmax": (_call.softwarp_log_softmax, _call.softwarp_log_softmax_axis),
            "softmax_backward": (_call.softwarp_softmax_backward, _call.softwarp_softmax_backward_axis),
            "log_softmax_backward": (_call.softwarp_log_softmax_backward, _call.softwarp_log_softmax_backward_axis)}
# Shorter rows are not split over a GPU.
_SPLIT_COLS = 4096


def axis_of(axis: int, dimensions: int, name: str) -> int:
    """The axis counted from the front. An array without dimensions has one of size 1, as in PyTorch."""
    dimensions = max(dimensions, 1)
    if not -dimensions <= axis < dimensions:
        raise ValueError(f"{name}: expected an axis from {-dimensions} to {dimensions - 1}, found {axis}")
    return axis % dimensions


def refuse_gradient(name: str, *arrays: Any) -> None:
    """A result that PyTorch's autograd knows nothing of would end its graph without a word."""
    for x in arrays:
        if getattr(x, "requires_grad", False) and type(x).__module__.startswith("torch"):
            import torch

            if torch.is_grad_enabled():
                raise ValueError(f"{name}: expected a tensor that does not require a gradient, found one that does "
                                 "(softwarp.torch has functions with a gradient; x.detach() has none)")


def same(memory: Memory, like: Memory, name: str) -> None:
    """Raises ValueError unless both have one shape, dtype and device."""
    if memory.shape != like.shape:
        raise ValueError(f"{name}: expected an array of shape {tuple(like.shape)}, found {tuple(memory.shape)}")
    if memory.dtype != like.dtype:
        raise ValueError(f"{name}: expected an array of {DTYPE_NAMES[like.dtype]}, found {DTYPE_NAMES[memory.dtype]}")
    if memory.device != like.device:
        raise ValueError(f"{name}: expected an array on the device of the first one, found one on another")


def launch(function: str, adapter: Adapter, x: Any, arrays: list[Memory], axis: int) -> bool:
    """Calls `function` on the inputs and, last, the result. False: their strides do not allow that."""
    layout = plan(arrays, axis)
    if layout is None:
        return False
    first = arrays[0]
    if first.device != CPU:
        with adapter.device(x):
            return _launch(function, adapter, x, arrays, layout)
    return _launch(function, adapter, x, arrays, layout)


def _launch(function: str, adapter: Adapter, x: Any, arrays: list[Memory], layout: Rows | Axis) -> bool:
    first = arrays[0]
    by_rows, by_axis = _FORWARD[function]
    stream = None if first.device == CPU else adapter.stream(x)
    if isinstance(layout, Axis):
        status = by_axis(first.device, first.dtype, *layout, *[a.address for a in arrays], stream)
    else:
        matrices = [part for a, stride in zip(arrays, layout.strides) for part in (a.address, stride)]
        workspace: tuple[Any, Optional[int]] = (None, None)
        if first.device != CPU and layout.cols > _SPLIT_COLS:
            workspace = adapter.workspace(x, SPLIT_ROW_WORKSPACE_BYTES)
        status = by_rows(first.device, first.dtype, layout.rows, layout.cols, *matrices, workspace[1],
                         SPLIT_ROW_WORKSPACE_BYTES if workspace[1] else 0, stream)
    if status:
        raise failure(status)
    return True


def run(function: str, inputs: tuple[Any, ...], names: tuple[str, ...], axis: int, out: Any) -> Any:
    """function(*inputs) along the axis, in `out` or in a new array."""
    x = inputs[0]
    adapter = adapter_of(x, names[0])
    first = adapter.memory(x, names[0])
    memory, packed = [first], first.strides is None
    if len(inputs) == 2:
        second = _like(adapter, inputs[1], names[1], names[0], first)
        memory.append(second)
        packed = packed and second.strides is None
    shape = first.shape
    last = len(shape) - 1
    if axis != -1:
        axis = axis_of(axis, last + 1, names[0])
    if out is not None:
        to = _like(adapter, out, "out", names[0], first)
        adapter.check_writable(out, "out")
        packed = packed and to.strides is None
        memory.append(to)
    if packed and last >= 0 and (axis == -1 or axis == last) and first.device == CPU:
        return _run_packed(function, adapter, x, memory, out)
    if out is None:
        out = adapter.empty_like(x)
        memory.append(adapter.memory(out, "out"))
    if 0 not in shape:
        _run_any(function, adapter, inputs, memory, axis_of(axis, last + 1, names[0]), out)
    return adapter.finish(out, x)


def _like(adapter: Adapter, array: Any, name: str, first_name: str, first: Memory) -> Memory:
    """The memory of an array of the first one's library, shape, dtype and device."""
    if adapter_of(array, name) is not adapter:
        raise TypeError(f"{name}: expected an array of {first_name}'s library, found {type(array).__name__}")
    memory: Memory = adapter.memory(array, name)
    if memory[1:4] != first[1:4]:
        same(memory, first, name)
    return memory


def _run_packed(function: str, adapter: Adapter, x: Any, memory: list[Memory], out: Any) -> Any:
    """Rows without gaps on the CPU: the shortest way. Without `out`, `memory` is that of the inputs alone."""
    first = memory[0]
    addresses = [m.address for m in memory]
    if out is None:
        out, address = adapter.new_like(x)
        addresses.append(address)
    cols, size = first.shape[-1], prod(first.shape)
    if size:
        by_rows, dtype = _FORWARD[function][0], first.dtype
        if len(addresses) == 2:
            x_address, y_address = addresses
            status = by_rows(CPU, dtype, size // cols, cols, x_address, cols, y_address, cols, None, 0, None)
        else:
            y_address, dy_address, dx_address = addresses
            status = by_rows(CPU, dtype, size // cols, cols, y_address, cols, dy_address, cols, dx_address, cols, None, 0,
                             None)
        if status:
            raise failure(status)
    return adapter.finish(out, x)


def _run_any(function: str, adapter: Adapter, inputs: tuple[Any, ...], memory: list[Memory], axis: int,
             result: Any) -> None:
    """Arrays with elements and any strides; the result's memory is the last."""
    x, shape = inputs[0], tuple(memory[0].shape)
    if not shape:  # one element: a row of one column
        memory = [m._replace(shape=(1,), strides=None) for m in memory]
    if launch(function, adapter, x, memory, axis):
        return
    copies = [adapter.contiguous(array) for array in inputs]
    temporary = adapter.empty(x, shape)
    if not launch(function, adapter, x, [adapter.memory(array, "x") for array in [*copies, temporary]], axis):
        raise RuntimeError(f"softwarp: a row-major copy of shape {shape} has gaps")
    adapter.copy(result, temporary)


def softmax(x: ArrayT, axis: int = -1, out: Optional[ArrayT] = None) -> ArrayT:
    """y_i = exp(x_i - m) / sum_k exp(x_k - m) along an axis; m is the largest of the x_k there.

    x: an array or tensor of any shape and strides, of float32, float64, float16 or bfloat16.
    axis: the dimension that is normalized.
    out: takes the result: an array of x's shape, dtype and device; x itself, or one that shares no memory with it.
    Returns out, or a new array of x's library, shape and dtype. On a CUDA device it is computed on the caller's
    current stream.

    A row that holds NaN or +inf, or is all -inf, becomes NaN, as in PyTorch. 16-bit elements are computed in float32
    and rounded once.

    Raises TypeError for what is no array, ValueError for another dtype, shape, axis or overlap, NotImplementedError for
    a CUDA tensor in a build without CUDA, RuntimeError if the device fails.

    Source: Milakov, Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867."""
    if getattr(x, "requires_grad", False):
        refuse_gradient("x", x)
    return run("softmax", (x,), ("x",), axis, out)  # type: ignore[no-any-return]


def log_softmax(x: ArrayT, axis: int = -1, out: Optional[ArrayT] = None) -> ArrayT:
    """y_i = x_i - m - log sum_k exp(x_k - m) along an axis. Arguments, result and errors are those of softmax."""
    if getattr(x, "requires_grad", False):
        refuse_gradient("x", x)
    return run("log_softmax", (x,), ("x",), axis, out)  # type: ignore[no-any-return]


def softmax_backward(y: ArrayT, dy: ArrayT, axis: int = -1, out: Optional[ArrayT] = None) -> ArrayT:
    """dx_j = y_j (dy_j - sum_i dy_i y_i) along an axis: the gradient by x of what follows y = softmax(x, axis), if dy
    is its gradient by y.

    y, dy: arrays of one shape, dtype and library. out: as in softmax; it may be y or dy. Returns dx. Errors are those
    of softmax."""
    if getattr(y, "requires_grad", False) or getattr(dy, "requires_grad", False):
        refuse_gradient("y", y, dy)
    return run("softmax_backward", (y, dy), ("y", "dy"), axis, out)  # type: ignore[no-any-return]


def log_softmax_backward(y: ArrayT, dy: ArrayT, axis: int = -1, out: Optional[ArrayT] = None) -> ArrayT:
    """dx_j = dy_j - exp(y_j) sum_i dy_i along an axis, with y = log_softmax(x, axis). Arguments, result and errors are
    those of softmax_backward."""
    if getattr(y, "requires_grad", False) or getattr(dy, "requires_grad", False):
        refuse_gradient("y", y, dy)
    return run("log_softmax_backward", (y, dy), ("y", "dy"), axis, out)  # type: ignore[no-any-return]


def rows_of(adapter: Adapter, x: Any, name: str, axis: int = -1) -> tuple[Any, Memory, int, int]:
    """x with the axis last and rows one behind the other, its memory, the number of rows and their stride. x has an
    element or more; it is copied if its strides ask for that."""
    if axis != -1:
        x = adapter.move_axis(x, axis, -1)
    memory = adapter.memory(x, name)
    if not memory.shape:
        memory = memory._replace(shape=(1,), strides=None)
    # The rows' order is that of the leading dimensions, so they must be row-major among themselves.
    layout = plan([memory, memory._replace(strides=None)], len(memory.shape) - 1)
    if layout is None or isinstance(layout, Axis):
        x = adapter.contiguous(x)
        memory = adapter.memory(x, name)
        return x, memory, prod(memory.shape[:-1]), memory.shape[-1]
    return x, memory, layout.rows, layout.strides[0]


def softmax_jacobian(y: ArrayT) -> ArrayT:
    """J_ij = y_i (delta_ij - y_j) for y = softmax(x) along the last axis.

    y: an array [..., cols] of softmax's dtypes. Returns a new array [..., cols, cols]. Errors are those of softmax."""
    refuse_gradient("y", y)
    adapter = adapter_of(y, "y")
    shape = tuple(adapter.memory(y, "y").shape) or (1,)
    result = adapter.empty(y, (*shape, shape[-1]))
    if 0 not in shape:
        _, memory, rows, stride = rows_of(adapter, y, "y")
        with adapter.device(y):
            status = _call.softwarp_softmax_jacobian(memory.device, memory.dtype, rows, shape[-1], memory.address, stride,
                                                     adapter.memory(result, "out").address, shape[-1],
                                                     None if memory.device == CPU else adapter.stream(y))
        if status:
            raise failure(status)
    return adapter.finish(result, y)  # type: ignore[no-any-return]


def argmax(x: ArrayT, axis: int = -1) -> ArrayT:
    """The index of the largest element along an axis; the first of equal ones, and NaN counts as largest.

    x: an array of softmax's dtypes, at least one element long along the axis and shorter than 2^31. Returns an array of
    int64, of x's shape without the axis. Errors are those of softmax."""
    adapter = adapter_of(x, "x")
    shape = tuple(adapter.memory(x, "x").shape)
    axis = axis_of(axis, len(shape), "x")
    rest = shape[:axis] + shape[axis + 1:]
    if shape and shape[axis] == 0:
        raise ValueError(f"x: expected an element or more along axis {axis}, found shape {shape}")
    best, address = adapter.empty_int32(x, rest)
    if 0 not in shape:
        _, memory, rows, stride = rows_of(adapter, x, "x", axis if axis != len(shape) - 1 and shape else -1)
        with adapter.device(x):
            status = _call.softwarp_argmax(memory.device, memory.dtype, rows, memory.shape[-1], memory.address, stride,
                                           address, None if memory.device == CPU else adapter.stream(x))
        if status:
            raise failure(status)
    return adapter.finish(adapter.int64(best, "argmax")[0], x)  # type: ignore[no-any-return]
