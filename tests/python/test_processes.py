"""Forks, spawned processes and threads; other libraries' arrays by DLPack."""

import multiprocessing
import threading

import numpy as np
import pytest
import reference
from reference import assert_close

import softwarp

X = np.random.default_rng(3).normal(size=(512, 1024)).astype("float32")  # worth several threads


def row_sums(seed):
    return float(softwarp.softmax(X + np.float32(seed)).sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method):
    assert row_sums(0) == pytest.approx(512)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(row_sums, range(4)) == pytest.approx([512] * 4)
    assert row_sums(0) == pytest.approx(512)


def test_threads_have_their_own_calls_and_errors():
    expected, failures = softwarp.softmax(X), []

    def work(seed):
        for _ in range(5):
            if not (softwarp.softmax(X) == expected).all():
                failures.append(seed)
            target = np.full(512, 2000 + seed)
            with pytest.raises(ValueError, match=f"found {2000 + seed} in row 0"):
                softwarp.cross_entropy(X, target)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


class Foreign:
    """A library that has DLPack alone, and takes numpy's arrays over."""

    def __init__(self, array):
        self.array = np.asarray(array)

    @property
    def shape(self):
        return self.array.shape

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)

    def __array_namespace__(self):
        return Foreign

    @staticmethod
    def asarray(array):
        return Foreign(array)


@pytest.mark.parametrize("view", [np.s_[:], np.s_[:, ::2], np.s_[:, 1:7]])
def test_any_library_with_dlpack(view):
    x = np.random.default_rng(1).normal(size=(5, 8))[view]
    for axis in (0, 1):
        y = softwarp.softmax(Foreign(x), axis)
        assert type(y) is Foreign
        assert_close(y.array, reference.softmax(x, axis), "float64")
    loss, gradient = softwarp.cross_entropy_with_gradient(Foreign(x), Foreign(np.arange(5) % x.shape[1]))
    expected = reference.cross_entropy(x, np.arange(5) % x.shape[1])
    assert_close(loss.array, expected[0], "float64")
    assert_close(gradient.array, expected[1], "float64")
    assert type(softwarp.argmax(Foreign(x))) is Foreign
    assert softwarp.softmax_jacobian(Foreign(x)).shape == (5, x.shape[1], x.shape[1])


def test_reads_memory_without_a_copy():
    from softwarp import _dlpack

    x = np.zeros((3, 4), np.float32)
    x.flags.writeable = np.lib.NumpyVersion(np.__version__) < "2.1.0"  # older ones export no read-only array
    tensor = _dlpack.read(x, "x")
    assert (tensor.address, tensor.shape, tensor.strides) == (x.ctypes.data, (3, 4), None)
    assert _dlpack.read(x.T, "x").strides == (1, 4)


def test_memory_may_begin_behind_its_address():
    from softwarp import _dlpack

    class Shifted(Foreign):
        def __dlpack__(self, **arguments):
            capsule = self.array.__dlpack__()
            _dlpack._Tensor.from_address(_dlpack._get_pointer(capsule, b"dltensor")).byte_offset = 16
            return capsule

    x = np.arange(10.0)
    assert _dlpack.read(Shifted(x[:8]), "x").address == x[2:].ctypes.data
