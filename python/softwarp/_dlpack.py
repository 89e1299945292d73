"""Reads arrays by DLPack: https://dmlc.github.io/dlpack/latest/c_api.html"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any, NamedTuple, Optional

from softwarp._library import BFLOAT16, CPU, CUDA, FLOAT16, FLOAT32, FLOAT64


class _Device(ctypes.Structure):
    _fields_ = [("type", c_int32), ("id", c_int32)]


class _DataType(ctypes.Structure):
    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("device", _Device), ("ndim", c_int32), ("dtype", _DataType),
                ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]


class _VersionedTensor(ctypes.Structure):
    _fields_ = [("major", c_uint32), ("minor", c_uint32), ("manager", c_void_p), ("deleter", c_void_p),
                ("flags", c_uint64), ("tensor", _Tensor)]


class Tensor(NamedTuple):
    """A tensor of another library, whose memory lives as long as `capsule`, which nobody else takes over."""

    address: int
    device: int  # softwarp_device
    code: int  # of the type: 0 signed, 1 unsigned, 2 floating point, 4 bfloat, ...
    bits: int
    shape: tuple[int, ...]
    strides: Optional[tuple[int, ...]]  # in elements; None: row-major without gaps
    capsule: Any


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.argtypes = [ctypes.py_object, c_char_p]
_get_pointer.restype = c_void_p
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.argtypes = [ctypes.py_object, c_char_p]

_DEVICES = {1: CPU, 2: CUDA, 3: CPU}  # 3: page-locked memory of the host
_DTYPES = {(2, 32): FLOAT32, (2, 64): FLOAT64, (2, 16): FLOAT16, (4, 16): BFLOAT16}


def _capsule_of(x: Any) -> Any:
    try:
        return x.__dlpack__(max_version=(1, 0))  # which read-only arrays need
    except TypeError:  # older than DLPack 1.0
        return x.__dlpack__()


def _is_row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and stride != step:
            return False
        step *= size
    return True


def read(x: Any, name: str) -> Tensor:
    """x's memory. Raises TypeError if it is on a device that libsoftwarp.so has not."""
    kind = _DEVICES.get(int(x.__dlpack_device__()[0]))
    if kind is None:
        raise TypeError(f"{name}: expected an array on the CPU or a CUDA device, found one on DLPack's device type "
                        f"{int(x.__dlpack_device__()[0])}")
    capsule = _capsule_of(x)
    if _is_valid(capsule, b"dltensor_versioned"):
        tensor = _VersionedTensor.from_address(_get_pointer(capsule, b"dltensor_versioned")).tensor
    else:
        tensor = _Tensor.from_address(_get_pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[: tensor.ndim])
    strides = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None
    if strides is not None and _is_row_major(shape, strides):
        strides = None
    return Tensor((tensor.data or 0) + tensor.byte_offset, kind, tensor.dtype.code, tensor.dtype.bits, shape, strides,
                  capsule)


def dtype_of(tensor: Tensor, name: str) -> int:
    """The softwarp_dtype. Raises ValueError if there is none."""
    dtype = _DTYPES.get((tensor.code, tensor.bits))
    if dtype is None:
        raise ValueError(f"{name}: expected an array of float32, float64, float16 or bfloat16, found DLPack's type "
                         f"{tensor.code} of {tensor.bits} bits")
    return dtype
