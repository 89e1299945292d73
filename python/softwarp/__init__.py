"""softwarp: softmax, log_softmax, their backwards, the Jacobian, cross-entropy and argmax on arrays with DLPack, such as
numpy's, torch's, CuPy's and JAX's, on the CPU and on CUDA devices, without a copy; and the training of perceptrons on
numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softwarp._cross_entropy import cross_entropy, cross_entropy_with_gradient
from softwarp._functions import (argmax, log_softmax, log_softmax_backward, softmax, softmax_backward,
                                 softmax_jacobian)
from softwarp._library import version as _version

if TYPE_CHECKING:
    from softwarp._model import Epoch, Model, train
    from softwarp._sklearn import MLPClassifier

__version__: str = _version()
__all__ = ["__version__", "Epoch", "Model", "argmax", "cross_entropy", "cross_entropy_with_gradient", "log_softmax",
           "log_softmax_backward", "softmax", "softmax_backward", "softmax_jacobian", "train"]

# Loaded when they are first used: those of _model need numpy, _sklearn scikit-learn.
_LATER = {"Epoch": "_model", "Model": "_model", "train": "_model", "MLPClassifier": "_sklearn"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'softwarp' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"softwarp.{_LATER[name]}"), name)
    globals()[name] = value
    return value
