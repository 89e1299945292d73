"""Arrays of each library and dtype."""

import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

DTYPES = ["float32", "float64", "float16", "bfloat16"]


class Numpy:
    name = "numpy"

    def array(self, values, dtype):
        if dtype == "bfloat16":
            dtype = pytest.importorskip("ml_dtypes").bfloat16
        return np.asarray(values).astype(dtype)

    def integers(self, values):
        return np.asarray(values, np.int64)

    def numbers(self, x):
        return np.asarray(x).astype(np.float64)

    def is_one(self, x, dtype):
        return isinstance(x, np.ndarray) and x.dtype.name == dtype


class Torch:
    name = "torch"

    def __init__(self):
        self.torch = pytest.importorskip("torch")

    def array(self, values, dtype):
        return self.torch.tensor(np.asarray(values, np.float64)).to(getattr(self.torch, dtype))

    def integers(self, values):
        return self.torch.tensor(np.asarray(values, np.int64))

    def numbers(self, x):
        return x.to(self.torch.float64).numpy()

    def is_one(self, x, dtype):
        return isinstance(x, self.torch.Tensor) and x.dtype == getattr(self.torch, dtype)


@pytest.fixture(params=[Numpy, Torch], ids=lambda library: library.name)
def library(request):
    return request.param()


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture
def random():
    return np.random.default_rng(1)
