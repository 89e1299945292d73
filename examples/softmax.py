#!/usr/bin/env python3
"""softwarp's softmax on numpy arrays, by ctypes: softmax.py [PATH OF libsoftwarp.so]

A GPU's arrays (CuPy's, PyTorch's) go the same way: their device addresses instead of .ctypes.data, device CUDA, and
the address of their stream.
"""
import ctypes
import sys

import numpy as np

CPU, CUDA = 0, 1
DTYPES = {"float32": 0, "float64": 1, "float16": 2}  # and 3: bfloat16, which numpy does not have
NO_WORKSPACE = (None, ctypes.c_size_t(0))


class SoftwarpError(Exception):
    pass


class Softwarp:
    def __init__(self, path="libsoftwarp.so.0.2"):
        self._library = ctypes.CDLL(path)
        self._library.softwarp_last_error.restype = ctypes.c_char_p

    def softmax(self, x, device=CPU):
        """exp(x) / sum exp(x) along the last axis."""
        x = np.ascontiguousarray(x)
        y = np.empty_like(x)
        self._call("softwarp_softmax", device, x, *_matrix(x), *_matrix(y), *NO_WORKSPACE)
        return y

    def softmax_backward(self, y, dy, device=CPU):
        """dL/dx from y = softmax(x) and dy = dL/dy: y * (dy - sum(dy * y))."""
        y = np.ascontiguousarray(y)
        dy = np.ascontiguousarray(dy, dtype=y.dtype)
        if dy.shape != y.shape:
            raise ValueError(f"expected dy of y's shape {y.shape}, found {dy.shape}")
        dx = np.empty_like(y)
        self._call("softwarp_softmax_backward", device, y, *_matrix(y), *_matrix(dy), *_matrix(dx), *NO_WORKSPACE)
        return dx

    def _call(self, name, device, shaped, *arguments):
        if shaped.dtype.name not in DTYPES:
            raise ValueError(f"expected an array of {', '.join(DTYPES)}, found {shaped.dtype.name}")
        cols = shaped.shape[-1]
        rows = shaped.size // cols if cols else 0
        status = getattr(self._library, name)(device, DTYPES[shaped.dtype.name], ctypes.c_int64(rows),
                                              ctypes.c_int64(cols), *arguments, None)
        if status != 0:
            raise SoftwarpError(self._library.softwarp_last_error().decode())


def _matrix(array):
    """Its address and its stride, in elements."""
    return ctypes.c_void_p(array.ctypes.data), ctypes.c_int64(array.shape[-1])


def main():
    softwarp = Softwarp(*sys.argv[1:])
    y = softwarp.softmax(np.array([[1, 2, 3], [1000, 1000, 1001]], dtype=np.float32))
    print(y)
    print(softwarp.softmax_backward(y, [[1, 0, 0], [1, 0, 0]]))


if __name__ == "__main__":
    main()
