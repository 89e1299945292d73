"""softmax, log_softmax and cross_entropy of JAX's arrays on the CPU, for jax.jit, jax.grad and jax.vmap.

They are XLA custom calls of jax.ffi: XLA calls libsoftwarp.so on its own buffers, without a copy and without Python.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

import jax
import jax.numpy as jnp
import numpy as np

from softwarp._library import library

__all__ = ["cross_entropy", "log_softmax", "softmax"]

if not hasattr(jax, "ffi"):
    raise ImportError(f"softwarp.jax: expected a jax that has jax.ffi (0.5 or newer), found {jax.__version__}")
for _name in ("softmax", "log_softmax", "softmax_backward", "log_softmax_backward", "cross_entropy"):
    jax.ffi.register_ffi_target(f"softwarp_{_name}", jax.ffi.pycapsule(getattr(library, f"softwarp_xla_{_name}")),
                                platform="cpu")

_HALVES = (jnp.float16, jnp.bfloat16)
_REDUCTIONS = ("none", "sum", "mean")


def _call(name: str, *operands: jax.Array) -> jax.Array:
    """A call whose result is like its first operand; a row is the last dimension."""
    result = jax.ShapeDtypeStruct(operands[0].shape, operands[0].dtype)
    return jax.ffi.ffi_call(f"softwarp_{name}", result, vmap_method="broadcast_all")(*operands)


def _differentiable(name: str) -> Callable[[jax.Array], jax.Array]:
    function = jax.custom_vjp(partial(_call, name))

    def forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = _call(name, x)
        return y, y

    function.defvjp(forward, lambda y, dy: (_call(f"{name}_backward", y, dy),))
    return function  # type: ignore[no-any-return]


_softmax, _log_softmax = _differentiable("softmax"), _differentiable("log_softmax")


def _checked(function: str, x: Any) -> jax.Array:
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating) or x.ndim == 0:
        raise ValueError(f"softwarp.jax.{function}: expected an array of floating-point numbers with an axis, found "
                         f"{x.dtype}{list(x.shape)}")
    return x


def _along(function: Callable[[jax.Array], jax.Array], x: jax.Array, axis: int) -> jax.Array:
    return jnp.moveaxis(function(jnp.moveaxis(x, axis, -1)), -1, axis) if x.size else x


def softmax(x: Any, axis: int = -1) -> jax.Array:
    """exp(x - m) / sum exp(x - m) along `axis`, m the maximum along it: jax.nn.softmax.

    `x` is an array of float32, float64, float16 or bfloat16; the result has its shape and dtype. 16-bit types are
    computed in float32. Raises ValueError for another dtype, a scalar, or an axis that x has not.
    """
    return _along(_softmax, _checked("softmax", x), axis)


def log_softmax(x: Any, axis: int = -1) -> jax.Array:
    """x - m - log sum exp(x - m) along `axis`, m the maximum along it: jax.nn.log_softmax. Arguments, result and errors
    are softmax's."""
    return _along(_log_softmax, _checked("log_softmax", x), axis)


def _losses(results: int, smoothing: float, ignored: int, logits: jax.Array, *others: jax.Array) -> Any:
    """Of each row the loss and, of two results, its gradient. Weights are one row for all, so that vmap cannot put them
    beside the logits."""
    like = [jax.ShapeDtypeStruct(logits.shape[:-1], logits.dtype), jax.ShapeDtypeStruct(logits.shape, logits.dtype)]
    call = jax.ffi.ffi_call("softwarp_cross_entropy", like[:results],
                            vmap_method="broadcast_all" if len(others) == 1 else "sequential")
    return call(logits, *others, ignore_index=np.int64(ignored), label_smoothing=np.float64(smoothing))


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _row_losses(smoothing: float, ignored: int, logits: jax.Array, *others: jax.Array) -> jax.Array:
    return _losses(1, smoothing, ignored, logits, *others)[0]


def _row_losses_forward(smoothing: float, ignored: int, logits: jax.Array, *others: jax.Array) -> Any:
    losses, gradient = _losses(2, smoothing, ignored, logits, *others)
    return losses, (gradient, len(others))


def _row_losses_backward(smoothing: float, ignored: int, saved: Any, dlosses: jax.Array) -> Any:
    gradient, others = saved
    return (gradient * dlosses[..., None], *[None] * others)


_row_losses.defvjp(_row_losses_forward, _row_losses_backward)


def cross_entropy(logits: Any, labels: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> jax.Array:
    """The cross-entropy of softmax(logits) against class indices, with the arguments of
    torch.nn.functional.cross_entropy; classes are the last axis.

    `logits` is [..., C] and `labels` [...] of integers in [0, C) or ignore_index, which leaves an element out. `weight`
    is [C], of the classes, and gets no gradient. The result has labels' shape with reduction "none", and is a scalar
    with "sum" and "mean"; the mean divides by the sum of the labels' weights. The gradient is computed along with the
    loss where JAX asks for it, in one pass. 16-bit types are computed in float32. Raises ValueError for other shapes
    and dtypes, and jax.errors.JaxRuntimeError, when the computation runs, for a label out of range.
    """
    x, labels = _checked("cross_entropy", logits), jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer) or labels.shape != x.shape[:-1]:
        raise ValueError(f"softwarp.jax.cross_entropy: expected labels of integers of shape {list(x.shape[:-1])}, "
                         f"found {labels.dtype}{list(labels.shape)}")
    if reduction not in _REDUCTIONS:
        raise ValueError(f"softwarp.jax.cross_entropy: expected reduction none, sum or mean, found {reduction}")
    dtype = x.dtype
    x, labels = x.astype(jnp.float32) if dtype in _HALVES else x, labels.astype(jnp.int32)
    weights = () if weight is None else (jax.lax.stop_gradient(jnp.asarray(weight, x.dtype)),)
    if weights and weights[0].shape != x.shape[-1:]:
        raise ValueError(f"softwarp.jax.cross_entropy: expected weight of shape {list(x.shape[-1:])}, found "
                         f"{list(weights[0].shape)}")
    losses = _row_losses(float(label_smoothing), int(ignore_index), x, labels, *weights)
    if reduction == "mean":
        counted = jnp.where(labels != ignore_index, weights[0][labels] if weights else 1, 0)
        losses = losses.sum() / counted.sum(dtype=x.dtype)
    elif reduction == "sum":
        losses = losses.sum()
    return losses.astype(dtype)
