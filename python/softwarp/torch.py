"""softmax, log_softmax and cross_entropy of torch's tensors, with torch's names, arguments and shapes, on the CPU and
on the current stream of CUDA devices.

They are torch's custom ops, torch.ops.softwarp.*, with autograd and fake kernels: torch.compile(fullgraph=True), CUDA
graphs and autocast see them as they see torch's own. Before torch 2.4, which has no custom ops, they are
torch.autograd.Functions.
"""

import ctypes
import math
from typing import Any, Callable, Optional, Tuple

import torch
from torch import Tensor

from softwarp import _library
from softwarp._library import CPU, CUDA, SPLIT_ROW_WORKSPACE_BYTES, check, library

__all__ = ["cross_entropy", "log_softmax", "softmax"]

if int(torch.__version__.split(".")[0]) < 2:
    raise ImportError(f"softwarp.torch: expected torch 2.0 or newer, found {torch.__version__} (softwarp's own functions "
                      "take its tensors)")

_DTYPES = {torch.float32: _library.FLOAT32, torch.float64: _library.FLOAT64, torch.float16: _library.FLOAT16,
           torch.bfloat16: _library.BFLOAT16}
_HAS_CUSTOM_OPS = hasattr(torch.library, "custom_op")
_HALVES = (torch.float16, torch.bfloat16)


def _define(name: str, schema: str, forward: Any, fake: Any, setup_context: Any, backward: Any) -> Callable[..., Any]:
    """The op softwarp::name. `backward` is its gradient, from what `setup_context` saved."""
    if not _HAS_CUSTOM_OPS:
        members = {"forward": forward, "setup_context": setup_context, "backward": backward}
        function: Any = type(name, (torch.autograd.Function,), {k: staticmethod(v) for k, v in members.items()})
        return function.apply  # type: ignore[no-any-return]
    op = torch.library.custom_op(f"softwarp::{name}", forward, mutates_args=(), schema=schema)
    op.register_fake(fake)
    op.register_autograd(backward, setup_context=setup_context)
    return op  # type: ignore[no-any-return]


# True if this torch says what looks at the ops that are called: a trace, a transformation, a dual level.
_HAS_QUESTIONS = (hasattr(torch, "compiler") and hasattr(torch.compiler, "is_compiling")
                  and hasattr(torch._C, "_len_torch_dispatch_stack")
                  and hasattr(torch._C, "_are_functorch_transforms_active") and hasattr(torch._C, "_is_tracing")
                  and hasattr(torch.autograd.forward_ad, "_current_level"))


def _needs_no_op(x: Tensor) -> bool:
    """True where only the values are wanted: no gradient, no trace, no transformation. A custom op takes 6 us to find
    that out."""
    return (_HAS_QUESTIONS and not torch.compiler.is_compiling() and type(x) is Tensor and (x.is_cpu or x.is_cuda)
            and not (x.requires_grad and torch.is_grad_enabled()) and not torch._C._len_torch_dispatch_stack()
            and not torch._C._are_functorch_transforms_active() and torch.autograd.forward_ad._current_level < 0
            and not torch._C._is_tracing())


def _refuse_tangent(x: Tensor) -> None:
    """A custom op would drop it without a word."""
    if _HAS_QUESTIONS and not torch.compiler.is_compiling() and torch.autograd.forward_ad._current_level >= 0 \
            and torch.autograd.forward_ad.unpack_dual(x).tangent is not None:
        raise NotImplementedError("softwarp.torch: expected a tensor without a tangent, found one of forward-mode "
                                  "differentiation (torch's own functions have it)")


def _dtype(x: Tensor) -> int:
    dtype = _DTYPES.get(x.dtype)
    if dtype is None:
        raise ValueError(f"softwarp: expected a tensor of float32, float64, float16 or bfloat16, found {x.dtype}")
    return dtype


def _call(function: Any, x: Tensor, *arguments: Any) -> None:
    """Calls the library on x's device and, if it is CUDA's, on its current stream."""
    if x.is_cpu:
        check(function(CPU, _dtype(x), *arguments, None))
    elif x.is_cuda:
        with torch.cuda.device(x.device):
            check(function(CUDA, _dtype(x), *arguments, torch.cuda.current_stream().cuda_stream))
    else:
        raise ValueError(f"softwarp: expected a tensor on the CPU or on a CUDA device, found {x.device}")


def _address(x: Optional[Tensor]) -> Optional[int]:
    return None if x is None else x.data_ptr()


def _split_row_workspace(x: Tensor) -> Optional[Tensor]:
    return torch.empty(SPLIT_ROW_WORKSPACE_BYTES, dtype=torch.uint8, device=x.device) if x.is_cuda else None


def _packed_like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _along_axis(name: str) -> Callable[..., Tensor]:
    """library.softwarp_name of one or two tensors of one shape, along a dimension."""
    over_rows, over_axis = getattr(library, f"softwarp_{name}"), getattr(library, f"softwarp_{name}_axis")

    def run(inputs: Tuple[Tensor, ...], dim: int) -> Tensor:
        shape = inputs[0].shape or (1,)
        if not -len(shape) <= dim < len(shape):
            raise IndexError(f"softwarp: expected dim in [{-len(shape)}, {len(shape) - 1}], found {dim}")
        packed = [t.contiguous() for t in inputs]
        result = _packed_like(packed[0])
        size, cols, inner = result.numel(), shape[dim], math.prod(shape[dim % len(shape) + 1:])
        if not size:
            _dtype(result)
            return result
        addresses = [t.data_ptr() for t in (*packed, result)]
        if inner == 1:
            workspace = _split_row_workspace(result)
            matrices = [v for address in addresses for v in (address, cols)]
            _call(over_rows, result, size // cols, cols, *matrices, _address(workspace),
                  0 if workspace is None else SPLIT_ROW_WORKSPACE_BYTES)
        else:
            _call(over_axis, result, size // cols // inner, cols, inner, *addresses)
        return result

    return run


def _define_with_backward(name: str, second: Any) -> Callable[[Tensor, int], Tensor]:
    """The ops softwarp::name and softwarp::name_backward. `second` gives the gradients of the latter by y and by dy."""
    run, run_backward = _along_axis(name), _along_axis(f"{name}_backward")

    def save_inputs(ctx: Any, inputs: Any, output: Any) -> None:
        y, dy, ctx.dim = inputs
        ctx.save_for_backward(y, dy)

    def second_backward(ctx: Any, g: Tensor) -> Any:
        return (*second(*ctx.saved_tensors, g, ctx.dim), None)

    backward_op = _define(f"{name}_backward", "(Tensor y, Tensor dy, int dim) -> Tensor",
                          lambda y, dy, dim: run_backward((y, dy), dim),
                          lambda y, dy, dim: _packed_like(y), save_inputs, second_backward)

    def save_output(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    def backward(ctx: Any, dy: Tensor) -> Any:
        return backward_op(*ctx.saved_tensors, dy, ctx.dim), None

    op = _define(name, "(Tensor x, int dim) -> Tensor", lambda x, dim: run((x,), dim),
                 lambda x, dim: _packed_like(x), save_output, backward)

    def function(x: Tensor, dim: int) -> Tensor:
        if _needs_no_op(x):
            return run((x,), dim)
        _refuse_tangent(x)
        return op(x, dim)

    return function


def _softmax_second(y: Tensor, dy: Tensor, g: Tensor, dim: int) -> Tuple[Tensor, Tensor]:
    mean_dy, mean_g = (dy * y).sum(dim, keepdim=True), (g * y).sum(dim, keepdim=True)
    return g * (dy - mean_dy) - dy * mean_g, y * (g - mean_g)


def _log_softmax_second(y: Tensor, dy: Tensor, g: Tensor, dim: int) -> Tuple[Tensor, Tensor]:
    weighted = g * y.exp()
    return -weighted * dy.sum(dim, keepdim=True), g - weighted.sum(dim, keepdim=True)


_softmax = _define_with_backward("softmax", _softmax_second)
_log_softmax = _define_with_backward("log_softmax", _log_softmax_second)


def _loss_on_cpu(x: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int, reduction: str,
                 label_smoothing: float, loss: Tensor, gradient: Optional[Tensor]) -> None:
    options = _library.LossOptions(_address(weight), label_smoothing, ignore_index, _library.REDUCTIONS[reduction],
                                   None)
    rows, cols = x.shape
    _call(library.softwarp_cross_entropy, x, rows, cols, x.data_ptr(), cols, target.data_ptr(), ctypes.byref(options),
          loss.data_ptr(), _address(gradient), cols)


def _loss_on_cuda(x: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int, reduction: str,
                  label_smoothing: float, loss: Tensor, gradient: Optional[Tensor]) -> None:
    """The kernel's gradient is that of the mean; its losses are float, and its sums double."""
    rows, cols = x.shape
    size = ctypes.c_size_t()
    with torch.cuda.device(x.device):
        check(library.softwarp_cross_entropy_workspace_bytes(CUDA, _dtype(x), rows, cols, ctypes.byref(size)))
    workspace = torch.zeros(max(size.value, 16), dtype=torch.uint8, device=x.device)
    sums = torch.zeros(_library.CROSS_ENTROPY_SUMS_BYTES // 8, dtype=torch.float64, device=x.device)
    losses = torch.empty(rows, dtype=torch.float32, device=x.device)
    targets = target.clamp(-2**31, 2**31 - 1).to(torch.int32)
    weights = None if weight is None else weight.float()
    options = _library.CrossEntropyOptions(_address(weights), label_smoothing, ignore_index)
    _call(library.softwarp_softmax_cross_entropy, x, rows, cols, x.data_ptr(), cols, targets.data_ptr(),
          ctypes.byref(options), losses.data_ptr(), _address(gradient), cols, sums.data_ptr(), workspace.data_ptr(),
          size.value)
    if reduction == "none":
        loss.copy_(losses)
    else:
        loss.copy_(sums[0] / sums[1] if reduction == "mean" else sums[0])
    if gradient is not None and reduction != "mean":
        gradient.mul_(torch.where(sums[1] == 0, 0, sums[1]))


def _loss(x: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int, reduction: str,
          label_smoothing: float, gradient: Optional[Tensor] = None) -> Tensor:
    """Of logits [rows, cols], of which `gradient` receives the loss's gradient."""
    loss = x.new_empty(x.shape[:1] if reduction == "none" else ())
    compute = _loss_on_cuda if x.is_cuda else _loss_on_cpu
    weight = None if weight is None else weight.contiguous()
    compute(x.contiguous(), target.contiguous(), weight, ignore_index, reduction, label_smoothing, loss, gradient)
    return loss


def _cross_entropy_forward(x: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int, reduction: str,
                           label_smoothing: float, with_gradient: bool) -> Tuple[Tensor, Tensor]:
    gradient = x.new_empty(x.shape if with_gradient else (0,))
    loss = _loss(x, target, weight, ignore_index, reduction, label_smoothing, gradient if with_gradient else None)
    return loss, gradient


def _cross_entropy_fake(x: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int, reduction: str,
                        label_smoothing: float, with_gradient: bool) -> Tuple[Tensor, Tensor]:
    return x.new_empty(x.shape[:1] if reduction == "none" else ()), x.new_empty(x.shape if with_gradient else (0,))


def _cross_entropy_setup(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.set_materialize_grads(False)
    _, target, weight, *ctx.options, ctx.with_gradient = inputs
    ctx.save_for_backward(output[1], target, weight)


def _hessian_product(v: Tensor, gradient: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int,
                     reduction: str, label_smoothing: float) -> Tensor:
    """Of each row a (diag(p) - p p') v, where p = softmax(x), q is the vector of which the loss is -q log p, and a its
    sum: the gradient is a p - q."""
    counted = target != ignore_index
    t = torch.where(counted, target, 0)
    weight = torch.ones_like(v[0]) if weight is None else weight
    factor = counted / (weight[t] * counted).sum() if reduction == "mean" else counted.to(v.dtype)
    one_hot = t.unsqueeze(1) == torch.arange(v.shape[1], device=v.device)
    q = (one_hot * (1 - label_smoothing) + label_smoothing / v.shape[1]) * weight * factor.unsqueeze(1)
    a_p, a = gradient + q, q.sum(1, keepdim=True)
    return a_p * v - a_p * (a_p * v).sum(1, keepdim=True) / torch.where(a == 0, 1, a)


def _cross_entropy_backward(ctx: Any, dloss: Optional[Tensor], dgradient: Optional[Tensor]) -> Any:
    if not ctx.with_gradient:
        raise RuntimeError("softwarp::cross_entropy: expected with_gradient of an input that requires a gradient")
    gradient, target, weight = ctx.saved_tensors
    dx = None
    if dloss is not None:
        dx = gradient * (dloss.unsqueeze(1) if dloss.dim() else dloss)
    if dgradient is not None:  # in a second differentiation
        second = _hessian_product(dgradient, gradient, target, weight, *ctx.options)
        dx = second if dx is None else dx + second
    return dx, None, None, None, None, None, None


_cross_entropy = _define("cross_entropy", "(Tensor x, Tensor target, Tensor? weight, int ignore_index, str reduction, "
                         "float label_smoothing, bool with_gradient) -> (Tensor, Tensor)", _cross_entropy_forward,
                         _cross_entropy_fake, _cross_entropy_setup, _cross_entropy_backward)


def _autocasts(x: Tensor) -> bool:
    """True where autocast is on for x's device, and would change its dtype."""
    if x.dtype == torch.float64:
        return False
    if _HAS_CUSTOM_OPS:
        return torch.is_autocast_enabled("cuda" if x.is_cuda else "cpu")  # type: ignore[no-any-return]
    return torch.is_autocast_enabled() if x.is_cuda else torch.is_autocast_cpu_enabled()  # type: ignore[no-any-return]


def _input(input: Tensor, dtype: Optional[torch.dtype]) -> Tensor:
    """On CUDA devices autocast computes softmax in float32, as torch's own."""
    if dtype is None:
        return input.float() if input.is_cuda and _autocasts(input) else input
    return input.to(dtype)


def softmax(input: Tensor, dim: int, dtype: Optional[torch.dtype] = None) -> Tensor:
    """exp(x - m) / sum exp(x - m) along dimension `dim`, m the maximum along it: torch.softmax.

    `input` is a tensor of float32, float64, float16 or bfloat16, of any strides; the result has its shape, is
    contiguous and of `dtype`, to which the input is cast first. 16-bit types are computed in float32. Raises
    IndexError if there is no such dimension, ValueError for another dtype or device, RuntimeError if CUDA refuses.
    """
    return _softmax(_input(input, dtype), dim)


def log_softmax(input: Tensor, dim: int, dtype: Optional[torch.dtype] = None) -> Tensor:
    """x - m - log sum exp(x - m) along dimension `dim`, m the maximum along it: torch.log_softmax. Arguments, result
    and errors are softmax's."""
    return _log_softmax(_input(input, dtype), dim)


def cross_entropy(input: Tensor, target: Tensor, weight: Optional[Tensor] = None, ignore_index: int = -100,
                  reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """The cross-entropy of softmax(input) against class indices: torch.nn.functional.cross_entropy.

    `input` is [C], [N, C] or [N, C, d1, ...] of logits, and `target` [], [N] or [N, d1, ...] of integers in [0, C) or
    ignore_index, which leaves an element out. `weight` is [C], of the classes. The result has target's shape with
    reduction "none", and is a scalar with "sum" and "mean"; the mean divides by the sum of the targets' weights. The
    gradient is computed along with the loss where the input requires it, in one pass; backward() scales it. weight
    gets no gradient. 16-bit types are computed in float32. On the CPU a target out of range raises ValueError; on CUDA,
    where that would wait for the device, its loss and gradient are NaN.
    """
    if target.is_floating_point():
        raise ValueError(f"softwarp.torch.cross_entropy: expected a target of class indices, found {target.dtype} "
                         "(torch.nn.functional.cross_entropy takes probabilities)")
    if reduction not in _library.REDUCTIONS:
        raise ValueError(f"softwarp.torch.cross_entropy: expected reduction none, sum or mean, found {reduction}")
    shape = tuple(input.shape)
    class_dim = 1 if len(shape) > 1 else 0
    if not shape or shape[:class_dim] + shape[class_dim + 1:] != tuple(target.shape):
        raise ValueError("softwarp.torch.cross_entropy: expected an input [C], [N, C] or [N, C, d1, ...] and a target "
                         f"of its shape without C, found {list(shape)} and {list(target.shape)}")
    classes = shape[class_dim]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f"softwarp.torch.cross_entropy: expected weight of shape [{classes}], found "
                         f"{list(weight.shape)}")
    autocasts = _autocasts(input)
    with_gradient = input.requires_grad and torch.is_grad_enabled()
    # A gradient of 16 bits would be rounded before it is scaled, and again after.
    x = input.float() if autocasts or (with_gradient and input.dtype in _HALVES) else input
    targets = target.long()
    rows = x if len(shape) == 2 else x.movedim(class_dim, -1).reshape(-1, classes)
    if weight is not None:
        weight = weight.detach().to(torch.float64 if x.dtype == torch.float64 else torch.float32)
    options = (targets if len(shape) == 2 else targets.reshape(-1), weight, ignore_index, reduction, label_smoothing)
    if _needs_no_op(x):
        loss = _loss(rows, *options)
    else:
        _refuse_tangent(x)
        loss, _ = _cross_entropy(rows, *options, with_gradient)
    if reduction == "none":
        loss = loss.reshape(target.shape)
    return loss if autocasts else loss.to(input.dtype)
