"""Cross-entropy with PyTorch's arguments, and its gradient."""

from __future__ import annotations

from contextlib import nullcontext
from ctypes import byref
from typing import Any, Optional, TypeVar

from softwarp._arrays import Adapter, Memory, adapter_of
from softwarp._functions import refuse_gradient, rows_of
from softwarp._library import CPU, REDUCTIONS, LossOptions, failure, library

ArrayT = TypeVar("ArrayT")
_call = library.softwarp_cross_entropy


def _check_shapes(logits: tuple[int, ...], target: tuple[int, ...]) -> int:
    """The axis of the classes."""
    if not logits:
        raise ValueError("logits: expected an array [cols], [rows, cols] or [rows, cols, ...], found one without "
                         "dimensions")
    axis = 0 if len(logits) == 1 else 1
    expected = logits[:axis] + logits[axis + 1:]
    if logits[axis] == 0:
        raise ValueError(f"logits: expected a class or more, found shape {logits}")
    if target != expected:
        raise ValueError(f"target: expected an array of shape {expected}, found {target}")
    return axis


def _options(adapter: Adapter, memory: Memory, weight: Any, ignore_index: int, reduction: str, label_smoothing: float,
             classes: int) -> tuple[LossOptions, Any]:
    """And the array that keeps the weights' memory."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected none, sum or mean, found {reduction}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing: expected a number from 0 to 1, found {label_smoothing}")
    if not -(2**63) <= ignore_index < 2**63:
        raise ValueError(f"ignore_index: expected an integer of 64 bits, found {ignore_index}")
    weights, address = None, None
    if weight is not None:
        if adapter_of(weight, "weight") is not adapter:
            raise TypeError(f"weight: expected an array of the logits' library, found {type(weight).__name__}")
        if tuple(weight.shape) != (classes,):
            raise ValueError(f"weight: expected an array of shape {(classes,)}, found {tuple(weight.shape)}")
        weights, address = adapter.floats(weight, memory)
    return LossOptions(address, label_smoothing, ignore_index, REDUCTIONS[reduction], None), weights


def run(logits: Any, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float,
        grad_output: Any, with_gradient: bool) -> tuple[Any, Any]:
    """The loss and, `with_gradient`, the gradient by the logits, or None."""
    adapter = adapter_of(logits, "logits")
    if adapter_of(target, "target") is not adapter:
        raise TypeError(f"target: expected an array of the logits' library, found {type(target).__name__}")
    shape = tuple(logits.shape)
    axis = _check_shapes(shape, tuple(target.shape))
    memory = adapter.memory(logits, "logits")
    options, weights = _options(adapter, memory, weight, ignore_index, reduction, label_smoothing, shape[axis])
    targets, targets_address = adapter.int64(target, "target")
    loss, loss_address = adapter.new(logits, tuple(target.shape) if reduction == "none" else ())
    above = None
    if grad_output is not None:
        if tuple(grad_output.shape) != tuple(loss.shape):
            raise ValueError(f"grad_output: expected an array of shape {tuple(loss.shape)}, found "
                             f"{tuple(grad_output.shape)}")
        above = adapter.cast(grad_output, logits)
        options.dloss = adapter.memory(above, "grad_output").address
    rows, stride, address, kept = 0, shape[axis], None, None
    if len(shape) == 2 and memory.strides is None:
        rows, address = shape[0], memory.address
    elif 0 not in shape:
        kept, moved, rows, stride = rows_of(adapter, logits, "logits", -1 if axis == len(shape) - 1 else axis)
        address = moved.address
    gradient, gradient_address = None, None
    if with_gradient:
        gradient, gradient_address = adapter.new(logits, shape[:axis] + shape[axis + 1:] + (shape[axis],))
    with adapter.device(logits) if memory.device != CPU else nullcontext():
        status = _call(memory.device, memory.dtype, rows, shape[axis], address, stride, targets_address, byref(options),
                       loss_address, gradient_address if rows else None, shape[axis],
                       None if memory.device == CPU else adapter.stream(logits))
    del kept, targets, weights, above
    if status:
        raise failure(status)
    if with_gradient:
        if axis != len(shape) - 1:
            gradient = adapter.move_axis(gradient, -1, axis)
        gradient = adapter.finish(gradient, logits)
    return adapter.finish(loss, logits), gradient


def cross_entropy(logits: ArrayT, target: Any, weight: Optional[Any] = None, ignore_index: int = -100,
                  reduction: str = "mean", label_smoothing: float = 0.0) -> ArrayT:
    """The cross-entropy of softmax(logits) against targets, as torch.nn.functional.cross_entropy has it: with
    nll(j) = log sum_k exp(x_k) - x_j, t a row's target, w the class weights and e the label smoothing,
    loss = (1 - e) w[t] nll(t) + e / cols sum_j w[j] nll(j).

    logits: an array [cols], [rows, cols] or [rows, cols, d1, ...] of softmax's dtypes.
    target: integers of the logits' shape without the classes.
    weight: w [cols]; None: all 1.
    ignore_index: rows with this target are not counted, and their gradient is 0.
    reduction: "none", "sum", or "mean": the sum over the sum of w[t] of the rows counted; NaN if there is none.
    Returns the loss in the logits' library and dtype: of the target's shape with "none", otherwise without dimensions.

    Raises ValueError for a target that is neither a class nor ignore_index and for other shapes, dtypes and options;
    otherwise as softmax does. Computes on the CPU; CUDA tensors raise NotImplementedError.

    Source: Szegedy et al., "Rethinking the Inception Architecture", arXiv:1512.00567, for label smoothing."""
    if getattr(logits, "requires_grad", False):
        refuse_gradient("logits", logits)
    return run(logits, target, weight, ignore_index, reduction, label_smoothing, None, False)[0]  # type: ignore


def cross_entropy_with_gradient(logits: ArrayT, target: Any, weight: Optional[Any] = None, ignore_index: int = -100,
                                reduction: str = "mean", label_smoothing: float = 0.0,
                                grad_output: Optional[Any] = None) -> tuple[ArrayT, ArrayT]:
    """cross_entropy, and its gradient by the logits from the same pass.

    grad_output: the gradient of what follows by the loss, of the loss's shape; None: 1.
    Returns the loss and the gradient, which has the logits' shape and dtype. Other arguments and errors are those of
    cross_entropy."""
    if getattr(logits, "requires_grad", False):
        refuse_gradient("logits", logits)
    return run(logits, target, weight, ignore_index, reduction, label_smoothing, grad_output, True)
