"""softwarp: softmax, log_softmax, their backwards, the Jacobian, cross-entropy and argmax on arrays with DLPack, such as
numpy's, torch's, CuPy's and JAX's, on the CPU and on CUDA devices, without a copy."""

from softwarp._cross_entropy import cross_entropy, cross_entropy_with_gradient
from softwarp._functions import (argmax, log_softmax, log_softmax_backward, softmax, softmax_backward,
                                 softmax_jacobian)
from softwarp._library import version as _version

__version__: str = _version()
__all__ = ["__version__", "argmax", "cross_entropy", "cross_entropy_with_gradient", "log_softmax",
           "log_softmax_backward", "softmax", "softmax_backward", "softmax_jacobian"]
