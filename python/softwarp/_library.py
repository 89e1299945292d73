"""libsoftwarp.so by ctypes, which releases the GIL during a call. Contracts: <softwarp/softwarp.h>."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_void_p
from typing import Any

import softwarp

# softwarp_reduction
REDUCTIONS = {"none": 0, "sum": 1, "mean": 2}
# softwarp_device
CPU, CUDA = 0, 1
# softwarp_dtype
FLOAT32, FLOAT64, FLOAT16, BFLOAT16 = 0, 1, 2, 3
DTYPE_NAMES = ("float32", "float64", "float16", "bfloat16")
SPLIT_ROW_WORKSPACE_BYTES = 65536
# sizeof(softwarp_cross_entropy_sums), which begins with two doubles: the loss and the weight
CROSS_ENTROPY_SUMS_BYTES = 48


class LossOptions(ctypes.Structure):
    """softwarp_loss_options"""

    _fields_ = [("class_weights", c_void_p), ("label_smoothing", c_double), ("ignore_index", c_int64),
                ("reduction", c_int), ("dloss", c_void_p)]


class CrossEntropyOptions(ctypes.Structure):
    """softwarp_cross_entropy_options"""

    _fields_ = [("class_weights", c_void_p), ("label_smoothing", c_float), ("ignore_index", c_int32)]


_CALL = [c_int, c_int]  # device, dtype
_SHAPE = [c_int64, c_int64]  # rows, cols
_TENSOR = [c_int64, c_int64, c_int64]  # outer, cols, inner
_MATRIX = [c_void_p, c_int64]  # address, stride
_RESOURCES = [c_void_p, c_size_t, c_void_p]  # workspace, its bytes, stream

# The ops, which return a status, and the types of their arguments.
SIGNATURES: dict[str, list[Any]] = {
    "softwarp_softmax": _CALL + _SHAPE + 2 * _MATRIX + _RESOURCES,
    "softwarp_log_softmax": _CALL + _SHAPE + 2 * _MATRIX + _RESOURCES,
    "softwarp_softmax_backward": _CALL + _SHAPE + 3 * _MATRIX + _RESOURCES,
    "softwarp_log_softmax_backward": _CALL + _SHAPE + 3 * _MATRIX + _RESOURCES,
    "softwarp_softmax_jacobian": _CALL + _SHAPE + 2 * _MATRIX + [c_void_p],
    "softwarp_softmax_axis": _CALL + _TENSOR + 3 * [c_void_p],
    "softwarp_log_softmax_axis": _CALL + _TENSOR + 3 * [c_void_p],
    "softwarp_softmax_backward_axis": _CALL + _TENSOR + 4 * [c_void_p],
    "softwarp_log_softmax_backward_axis": _CALL + _TENSOR + 4 * [c_void_p],
    "softwarp_argmax": _CALL + _SHAPE + _MATRIX + 2 * [c_void_p],
    "softwarp_cross_entropy": _CALL + _SHAPE + _MATRIX + [c_void_p, POINTER(LossOptions), c_void_p] + _MATRIX
    + [c_void_p],
    "softwarp_cross_entropy_workspace_bytes": _CALL + _SHAPE + [POINTER(c_size_t)],
    "softwarp_softmax_cross_entropy": _CALL + _SHAPE + _MATRIX
    + [c_void_p, POINTER(CrossEntropyOptions), c_void_p] + _MATRIX + [c_void_p] + _RESOURCES,
}


def _open(path: str) -> ctypes.CDLL:
    """The library, whose OpenMP reads the environment when it is loaded. Without a limit its threads wait in long
    loops, which on a busy machine take the time of the thread that they wait for."""
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return ctypes.CDLL(path)
    os.environ["GOMP_SPINCOUNT"] = "5000"  # as host/program/openmp_spinning.cpp
    try:
        return ctypes.CDLL(path)
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _load() -> ctypes.CDLL:
    folders = list(softwarp.__path__)
    for folder in folders:
        path = os.path.join(folder, "libsoftwarp.so")
        if os.path.exists(path):
            return _open(path)
    raise ImportError(f"softwarp: expected libsoftwarp.so in {' or '.join(folders)}, found none "
                      "(`pip install .` builds it)")


library = _load()
library.softwarp_version.restype = c_char_p
library.softwarp_last_error.restype = c_char_p
library.softwarp_status_name.argtypes = [c_int]
library.softwarp_status_name.restype = c_char_p
for _name, _types in SIGNATURES.items():
    _function = getattr(library, _name)
    _function.argtypes = _types
    _function.restype = c_int

# By status. The CPU has ops that a GPU has not, and a build may have no CUDA: NotImplementedError is a RuntimeError.
_EXCEPTIONS: dict[int, type[Exception]] = {1: ValueError, 2: NotImplementedError, 3: RuntimeError, 4: MemoryError,
                                           5: RuntimeError, 6: OSError, 7: RuntimeError}


def failure(status: int) -> Exception:
    """The exception for a status that is not 0, with softwarp_last_error's line. For the thread that made the call."""
    return _EXCEPTIONS.get(status, RuntimeError)(library.softwarp_last_error().decode())


def check(status: int) -> None:
    """Raises what failure() makes of a status other than 0."""
    if status:
        raise failure(status)


def version() -> str:
    """The version of libsoftwarp.so, such as "0.2.0"."""
    text: bytes = library.softwarp_version()
    return text.decode()
