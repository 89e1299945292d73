"""The package finds its library, and its library's errors are Python's."""

import ctypes
import re

import pytest

import softwarp
from softwarp import _library


def test_has_the_librarys_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", softwarp.__version__)


def test_declares_a_signature_for_every_op():
    for name, types in _library.SIGNATURES.items():
        assert getattr(_library.library, name).argtypes == types


def test_a_refusal_is_a_value_error_with_the_librarys_line():
    status = _library.library.softwarp_softmax(0, 0, 1, 0, None, 1, None, 1, None, 0, None)
    with pytest.raises(ValueError, match="softwarp_softmax: expected cols of at least 1, found 0"):
        _library.check(status)


@pytest.mark.parametrize(("status", "exception"), [(2, NotImplementedError), (3, RuntimeError), (4, MemoryError),
                                                   (5, RuntimeError), (6, OSError), (7, RuntimeError), (99, RuntimeError)])
def test_a_status_has_its_exception(status, exception):
    assert type(_library.failure(status)) is exception


def test_success_raises_nothing():
    x, y = (ctypes.c_float * 2)(1, 1), (ctypes.c_float * 2)()
    _library.check(_library.library.softwarp_softmax(0, 0, 1, 2, x, 2, y, 2, None, 0, None))
    assert list(y) == [0.5, 0.5]
