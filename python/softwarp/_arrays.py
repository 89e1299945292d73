"""Arrays of other libraries: their memory, without a copy, and results of the same library.

An adapter does for one library what the functions need. numpy's and torch's ask the array itself, which is fast; all
others are read by DLPack (https://dmlc.github.io/dlpack/latest/). No library is imported before an array of it is seen.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any, Callable, ContextManager, NamedTuple, Optional

from softwarp import _dlpack
from softwarp._library import BFLOAT16, CPU, CUDA, DTYPE_NAMES, FLOAT16, FLOAT32, FLOAT64

Array = Any  # of numpy, torch or another library with DLPack


class Memory(NamedTuple):
    """Where an array lies."""

    address: int
    dtype: int  # softwarp_dtype
    device: int  # softwarp_device
    shape: tuple[int, ...]
    strides: Optional[tuple[int, ...]]  # in elements; None: row-major without gaps
    owner: Any = None  # keeps the memory alive


_new: Callable[[type[Memory], tuple[Any, ...]], Memory] = tuple.__new__  # half the time of Memory(...)
# numpy's names, of this machine's order of bytes.
_ORDER = "<" if sys.byteorder == "little" else ">"
_TYPES = {_ORDER + "f4": FLOAT32, _ORDER + "f8": FLOAT64, _ORDER + "f2": FLOAT16}


def wrong_dtype(name: str, found: object) -> ValueError:
    return ValueError(f"{name}: expected an array of float32, float64, float16 or bfloat16, found {found}")


class NumpyAdapter:
    """numpy.ndarray, of ml_dtypes' bfloat16 too."""

    def __init__(self) -> None:
        import numpy

        self.numpy: Any = numpy

    def memory(self, x: Array, name: str) -> Memory:
        interface = x.__array_interface__
        dtype = _TYPES.get(interface["typestr"])
        if dtype is None:
            if x.dtype.name != "bfloat16":
                raise wrong_dtype(name, x.dtype)
            dtype = BFLOAT16
        strides = interface["strides"]
        if strides is not None:
            if x.flags.c_contiguous:
                strides = None
            else:
                size = x.itemsize
                if any(s % size for s in strides):
                    raise ValueError(f"{name}: expected strides of whole elements, found {strides} bytes")
                strides = tuple(s // size for s in strides)
        return _new(Memory, (interface["data"][0], dtype, CPU, x.shape, strides, None))

    def check_writable(self, x: Array, name: str) -> None:
        if not x.flags.writeable:
            raise ValueError(f"{name}: expected an array that can be written, found a read-only one")

    def empty_like(self, x: Array) -> Array:
        """Of x's dtype, shape and order of dimensions, without gaps."""
        return self.numpy.empty_like(x, subok=False)

    def new_like(self, x: Array) -> tuple[Array, int]:
        """empty_like(x) and its address."""
        result = self.numpy.empty_like(x, subok=False)
        return result, result.__array_interface__["data"][0]

    def empty(self, x: Array, shape: tuple[int, ...]) -> Array:
        """Row-major, of x's dtype and device."""
        return self.numpy.empty(shape, x.dtype)

    def new(self, x: Array, shape: tuple[int, ...]) -> tuple[Array, int]:
        """empty(x, shape) and its address."""
        result = self.empty(x, shape)
        return result, result.__array_interface__["data"][0]

    def empty_int32(self, x: Array, shape: tuple[int, ...]) -> tuple[Array, int]:
        """And its address."""
        result = self.numpy.empty(shape, "int32")
        return result, result.ctypes.data

    def contiguous(self, x: Array) -> Array:
        return self.numpy.ascontiguousarray(x)

    def copy(self, to: Array, x: Array) -> None:
        to[...] = x

    def move_axis(self, x: Array, axis: int, to: int) -> Array:
        return self.numpy.moveaxis(x, axis, to)

    def int64(self, x: Array, name: str) -> tuple[Array, int]:
        """x as a row-major array of int64, and its address."""
        interface = x.__array_interface__
        if interface["typestr"] == _ORDER + "i8" and interface["strides"] is None:
            return x, interface["data"][0]
        if x.dtype.kind not in "iu":
            raise ValueError(f"{name}: expected an array of integers, found {x.dtype}")
        result = self.numpy.ascontiguousarray(x, dtype="int64").reshape(x.shape)
        return result, result.ctypes.data

    def floats(self, x: Array, like: Memory) -> tuple[Array, int]:
        """x as a row-major array of float64 where `like` is, else of float32, and its address."""
        result = self.numpy.ascontiguousarray(x, dtype="float64" if like.dtype == FLOAT64 else "float32")
        return result, result.ctypes.data

    def cast(self, x: Array, like: Array) -> Array:
        """x, row-major, in the dtype of `like`."""
        return self.numpy.ascontiguousarray(x, dtype=like.dtype)

    def finish(self, result: Array, x: Array) -> Array:
        """A result of empty_like() or empty(), as an array of x's library."""
        return result

    def stream(self, x: Array) -> Optional[int]:
        """The caller's current stream, NULL for the default one."""
        return None

    def device(self, x: Array) -> ContextManager[Any]:
        """Makes x's CUDA device the current one."""
        return nullcontext()

    def workspace(self, x: Array, size: int) -> tuple[Any, Optional[int]]:
        return None, None


class TorchAdapter:
    """torch.Tensor on the CPU or a CUDA device."""

    def __init__(self) -> None:
        import torch

        self.torch: Any = torch
        self.dtypes = {torch.float32: FLOAT32, torch.float64: FLOAT64, torch.float16: FLOAT16,
                       torch.bfloat16: BFLOAT16}

    def memory(self, x: Array, name: str) -> Memory:
        dtype = self.dtypes.get(x.dtype)
        if dtype is None:
            raise wrong_dtype(name, x.dtype)
        strides = None if x.is_contiguous() else x.stride()
        if x.is_cpu:
            return _new(Memory, (x.data_ptr(), dtype, CPU, x.shape, strides, None))
        if not x.is_cuda or self.torch.version.cuda is None:
            raise ValueError(f"{name}: expected a tensor on the CPU or a CUDA device, found one on {x.device}")
        return Memory(x.data_ptr(), dtype, CUDA, x.shape, strides)

    def check_writable(self, x: Array, name: str) -> None:
        pass

    def empty_like(self, x: Array) -> Array:
        return self.torch.empty_like(x)

    def new_like(self, x: Array) -> tuple[Array, int]:
        result = self.torch.empty_like(x)
        return result, result.data_ptr()

    def empty(self, x: Array, shape: tuple[int, ...]) -> Array:
        return x.new_empty(shape)

    def new(self, x: Array, shape: tuple[int, ...]) -> tuple[Array, int]:
        result = x.new_empty(shape)
        return result, result.data_ptr()

    def empty_int32(self, x: Array, shape: tuple[int, ...]) -> tuple[Array, int]:
        result = x.new_empty(shape, dtype=self.torch.int32)
        return result, result.data_ptr()

    def contiguous(self, x: Array) -> Array:
        return x.contiguous()

    def copy(self, to: Array, x: Array) -> None:
        to.copy_(x)

    def move_axis(self, x: Array, axis: int, to: int) -> Array:
        return x.movedim(axis, to)

    def int64(self, x: Array, name: str) -> tuple[Array, int]:
        if x.dtype == self.torch.int64 and x.is_contiguous():
            return x, x.data_ptr()
        if x.is_floating_point() or x.is_complex() or x.dtype == self.torch.bool:
            raise ValueError(f"{name}: expected a tensor of integers, found {x.dtype}")
        result = x.to(self.torch.int64).contiguous()
        return result, result.data_ptr()

    def floats(self, x: Array, like: Memory) -> tuple[Array, int]:
        result = x.to(self.torch.float64 if like.dtype == FLOAT64 else self.torch.float32).contiguous()
        return result, result.data_ptr()

    def cast(self, x: Array, like: Array) -> Array:
        return x.to(like.dtype).contiguous()

    def finish(self, result: Array, x: Array) -> Array:
        return result

    def stream(self, x: Array) -> Optional[int]:
        return self.torch.cuda.current_stream(x.device).cuda_stream or None

    def device(self, x: Array) -> ContextManager[Any]:
        return self.torch.cuda.device(x.device) if x.is_cuda else nullcontext()

    def workspace(self, x: Array, size: int) -> tuple[Any, Optional[int]]:
        memory = self.torch.empty(size, dtype=self.torch.uint8, device=x.device)
        return memory, memory.data_ptr()


class DlpackAdapter(NumpyAdapter):
    """Every other library on the CPU: it is read by DLPack, and results are numpy arrays that it takes over."""

    def memory(self, x: Array, name: str) -> Memory:
        if isinstance(x, self.numpy.ndarray):  # a result
            return super().memory(x, name)
        tensor = _dlpack.read(x, name)
        if tensor.device != CPU:
            raise TypeError(f"{name}: expected a torch tensor or an array on the CPU, found {type(x).__name__} on a "
                            "device")
        return Memory(tensor.address, _dlpack.dtype_of(tensor, name), CPU, tensor.shape, tensor.strides, tensor)

    def check_writable(self, x: Array, name: str) -> None:
        raise TypeError(f"{name}: expected a numpy array or a torch tensor, found {type(x).__name__}")

    def empty_like(self, x: Array) -> Array:
        return self.numpy.empty(x.shape, self._dtype(x))

    def new_like(self, x: Array) -> tuple[Array, int]:
        result = self.empty_like(x)
        return result, result.ctypes.data

    def empty(self, x: Array, shape: tuple[int, ...]) -> Array:
        return self.numpy.empty(shape, self._dtype(x))

    def _dtype(self, x: Array) -> Any:
        dtype = _dlpack.dtype_of(_dlpack.read(x, "x"), "x") if not isinstance(x, self.numpy.ndarray) else x.dtype
        if dtype == BFLOAT16:
            import ml_dtypes

            return ml_dtypes.bfloat16
        return DTYPE_NAMES[dtype] if isinstance(dtype, int) else dtype

    def contiguous(self, x: Array) -> Array:
        return self.numpy.ascontiguousarray(x)  # by __array__, which knows bfloat16

    def move_axis(self, x: Array, axis: int, to: int) -> Array:
        return self.numpy.moveaxis(self.numpy.asarray(x), axis, to)

    def int64(self, x: Array, name: str) -> tuple[Array, int]:
        return super().int64(self.numpy.asarray(x), name)

    def floats(self, x: Array, like: Memory) -> tuple[Array, int]:
        return super().floats(self.numpy.asarray(x), like)

    def cast(self, x: Array, like: Array) -> Array:
        return self.numpy.ascontiguousarray(x, dtype=self._dtype(like))

    def finish(self, result: Array, x: Array) -> Array:
        if isinstance(x, self.numpy.ndarray):
            return result
        namespace = getattr(x, "__array_namespace__", None)
        if namespace is not None:
            return namespace().asarray(result)
        return sys.modules[type(x).__module__.split(".")[0]].from_dlpack(result)


Adapter = Any  # NumpyAdapter, TorchAdapter or DlpackAdapter
_adapters: dict[type, Adapter] = {}
_by_library: dict[str, Adapter] = {}


def _library_of(kind: type) -> Optional[str]:
    for base in kind.__mro__:
        if base.__module__ == "numpy" and base.__name__ == "ndarray":
            return "numpy"
        if base.__module__ == "torch" and base.__name__ == "Tensor":
            return "torch"
    return None


def adapter_of(x: Array, name: str) -> Adapter:
    """The adapter of x's library. Raises TypeError if x is no array."""
    found = _adapters.get(type(x))
    if found is not None:
        return found
    library = _library_of(type(x))
    if library is None:
        if not hasattr(x, "__dlpack__"):
            raise TypeError(f"{name}: expected an array with __dlpack__, such as numpy's or torch's, found "
                            f"{type(x).__name__}")
        library = "dlpack"
    if library not in _by_library:
        kinds = {"numpy": NumpyAdapter, "torch": TorchAdapter, "dlpack": DlpackAdapter}
        _by_library[library] = kinds[library]()
    _adapters[type(x)] = _by_library[library]
    return _adapters[type(x)]


