"""Training of multilayer perceptrons and their predictions. Contracts: <softwarp/model.h>."""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
import weakref
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_uint64, c_void_p
from typing import Any, Callable, NamedTuple, Optional, Sequence

import numpy as np

from softwarp._library import CPU, CUDA, check, failure, library

_FILE_ERROR = 6


class _Images(ctypes.Structure):
    """softwarp_images"""

    _fields_ = [("count", c_int64), ("height", c_int64), ("width", c_int64), ("pixels", c_void_p), ("values", c_void_p)]


class _Epoch(ctypes.Structure):
    """softwarp_epoch"""

    _fields_ = [("epoch", c_int64), ("steps", c_int64), ("learning_rate", c_double), ("loss", c_double),
                ("accuracy", c_double), ("validation_loss", c_double), ("validation_accuracy", c_double),
                ("seconds", c_double)]


_OnEpoch = ctypes.CFUNCTYPE(c_int, POINTER(_Epoch), c_void_p)


class _Options(ctypes.Structure):
    """softwarp_training_options"""

    _fields_ = [("hidden", POINTER(c_int64)), ("hidden_layers", c_int64), ("activation", c_char_p),
                ("initialization", c_char_p), ("input_dropout", c_double), ("dropout", c_double),
                ("label_smoothing", c_double), ("optimizer", c_char_p), ("learning_rate", c_double),
                ("momentum", c_double), ("nesterov", c_int32), ("weight_decay", c_double), ("schedule", c_char_p),
                ("warmup_epochs", c_double), ("step_epochs", c_int64), ("step_factor", c_double),
                ("max_norm", c_double), ("ema_decay", c_double), ("epochs", c_int64), ("batch_size", c_int64),
                ("seed", c_uint64), ("validation", c_double), ("patience", c_int64), ("classes", c_int32),
                ("max_pixel", c_int32), ("threads", c_int32), ("weights", c_void_p), ("on_epoch", _OnEpoch),
                ("context", c_void_p), ("stop", POINTER(c_int32))]


class _Description(ctypes.Structure):
    """softwarp_model_description"""

    _fields_ = [("inputs", c_int64), ("height", c_int64), ("width", c_int64), ("classes", c_int64),
                ("hidden_layers", c_int64), ("hidden", POINTER(c_int64)), ("activation", c_char_p),
                ("max_pixel", c_int32)]


_SIGNATURES: dict[str, list[Any]] = {
    "softwarp_training_defaults": [POINTER(_Options)],
    "softwarp_model_train": [c_int, POINTER(_Images), c_void_p, POINTER(_Options), POINTER(c_void_p)],
    "softwarp_model_read": [c_char_p, c_char_p, POINTER(c_void_p)],
    "softwarp_model_write": [c_void_p, c_char_p],
    "softwarp_model_write_onnx": [c_void_p, c_char_p],
    "softwarp_model_describe": [c_void_p, POINTER(_Description)],
    "softwarp_model_logits": [c_void_p, c_int, c_int32, POINTER(_Images), c_void_p],
    "softwarp_model_probabilities": [c_void_p, c_int, c_int32, POINTER(_Images), c_void_p],
}
for _name, _types in _SIGNATURES.items():
    getattr(library, _name).argtypes = _types
    getattr(library, _name).restype = c_int
library.softwarp_model_free.argtypes = [c_void_p]
library.softwarp_model_free.restype = None


class Epoch(NamedTuple):
    """The record of an epoch. Without images that are held out, the validation numbers are NaN."""

    epoch: int  #: from 1
    steps: int  #: since training began
    learning_rate: float  #: of the epoch's last step
    loss: float  #: mean cross-entropy of each batch before its step, with dropout
    accuracy: float  #: share of images whose likeliest class was the label, likewise
    validation_loss: float  #: of the images held out, after the epoch
    validation_accuracy: float  #: the same
    seconds: float  #: since training began


def _device(name: str) -> int:
    if name not in ("cpu", "cuda"):
        raise ValueError(f"expected device cpu or cuda, found {name}")
    return CUDA if name == "cuda" else CPU


def _as_images(array: Any) -> tuple[Any, _Images]:
    """The array that the images lie in, and the images."""
    array = np.asarray(array)
    if array.ndim not in (2, 3):
        raise ValueError("expected images [rows, height, width] or features [rows, features], "
                         f"found shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected images of uint8, or of numbers that become float32, found {array.dtype}")
    array = np.ascontiguousarray(array, dtype=np.uint8 if array.dtype == np.uint8 else np.float32)
    count, height, width = array.shape if array.ndim == 3 else (array.shape[0], 1, array.shape[1])
    address = array.ctypes.data
    return array, _Images(count, height, width, *((address, None) if array.dtype == np.uint8 else (None, address)))


def _as_labels(labels: Any, count: int) -> Any:
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise ValueError(f"expected labels of shape ({count},), one for each image, found {labels.shape}")
    if labels.dtype.kind not in "biu":
        raise ValueError(f"expected labels of whole numbers, found {labels.dtype}")
    return np.ascontiguousarray(labels, dtype=np.int64)


class Model:
    """A trained network. It does not change; several threads may use it at a time, and it can be pickled.

    Images are uint8 [rows, height, width], each pixel divided by the model's `max_pixel`, or numbers of another type,
    [rows, features] or [rows, height, width], which are the network's inputs as they are, as float32.
    """

    def __init__(self, handle: int, history: Sequence[Epoch] = ()) -> None:
        """For train() and load()."""
        self._handle = handle
        weakref.finalize(self, library.softwarp_model_free, handle)
        #: One record an epoch; empty for a model that was read from a file.
        self.history = list(history)
        what = _Description()
        check(library.softwarp_model_describe(handle, byref(what)))
        self.inputs: int = what.inputs  #: features, or pixels of an image
        self.image_shape: tuple[int, int] = (what.height, what.width)  #: height is 1 for features
        self.classes: int = what.classes  #: number of classes
        self.hidden: tuple[int, ...] = tuple(what.hidden[:what.hidden_layers])  #: widths of the hidden layers
        self.activation: str = what.activation.decode()  #: after each hidden layer
        self.max_pixel: int = what.max_pixel  #: a uint8 divided by this is an input

    def _outputs(self, function: Any, images: Any, device: str, threads: int) -> Any:
        array, view = _as_images(images)
        outputs = np.empty((view.count, self.classes), np.float32)
        check(function(self._handle, _device(device), threads, byref(view), outputs.ctypes.data))
        return outputs

    def logits(self, images: Any, device: str = "cpu", threads: int = 0) -> Any:
        """The outputs before softmax, float32 [rows, classes]. Raises ValueError for images of another size."""
        return self._outputs(library.softwarp_model_logits, images, device, threads)

    def predict_proba(self, images: Any, device: str = "cpu", threads: int = 0) -> Any:
        """The softmax of the logits, float32 [rows, classes]."""
        return self._outputs(library.softwarp_model_probabilities, images, device, threads)

    def predict(self, images: Any, device: str = "cpu", threads: int = 0) -> Any:
        """The likeliest class of each image, int64 [rows]; the first of equals."""
        return self.logits(images, device, threads).argmax(axis=1)

    def score(self, images: Any, labels: Any, device: str = "cpu", threads: int = 0) -> float:
        """The share of images whose likeliest class is the label."""
        predicted = self.predict(images, device, threads)
        return float(np.mean(predicted == _as_labels(labels, len(predicted))))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a safetensors file of fc1.weight [outputs, inputs], fc1.bias [outputs], fc2.weight, ..., float32, as
        PyTorch's nn.Linear has them. Raises OSError if it cannot be written; no half-written file stays behind."""
        self._write(library.softwarp_model_write, path)

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Writes an ONNX model (opset 13): `input` [batch, inputs] of float32, which are uint8 images divided by
        max_pixel, to `logits` and `probabilities` [batch, classes]. Raises OSError as save() does."""
        self._write(library.softwarp_model_write_onnx, path)

    def _write(self, function: Any, path: str | os.PathLike[str]) -> None:
        check(function(self._handle, os.fsencode(path)))

    @classmethod
    def load(cls, path: str | os.PathLike[str], activation: str = "relu") -> Model:
        """Reads what save() or `softwarp train` wrote, or a state dict of linear layers that PyTorch saved as
        safetensors (names such as 0.weight and fc1.weight; F32, F16, BF16 or F64). `activation` is that of such a
        network, which its file does not say. Raises OSError if the file cannot be opened and ValueError if it holds
        something else."""
        with open(path, "rb"):
            pass
        handle = c_void_p()
        status = library.softwarp_model_read(os.fsencode(path), activation.encode(), byref(handle))
        if status == _FILE_ERROR:
            raise ValueError(str(failure(status)))
        check(status)
        assert handle.value is not None
        return cls(handle.value)

    def __repr__(self) -> str:
        layers = "-".join(map(str, (self.inputs, *self.hidden, self.classes)))
        return f"softwarp.Model({layers}, {self.activation})"

    def __reduce__(self) -> tuple[Any, ...]:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "model.safetensors")
            self.save(path)
            with open(path, "rb") as file:
                return _from_bytes, (file.read(), self.history)


def _from_bytes(content: bytes, history: list[Epoch]) -> Model:
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.safetensors")
        with open(path, "wb") as file:
            file.write(content)
        model = Model.load(path)
    model.history = history
    return model


class _Run:
    """A training run in a thread of its own, so that the caller's thread can take a Ctrl-C."""

    def __init__(self, device: int, images: Any, labels: Any, options: _Options,
                 on_epoch: Optional[Callable[[Epoch], Any]]) -> None:
        self._on_epoch = on_epoch
        self._stop = c_int32(0)
        self._error: Optional[BaseException] = None
        self._done = threading.Event()
        self.history: list[Epoch] = []
        self.handle = c_void_p()
        array, view = _as_images(images)
        labels = _as_labels(labels, view.count)
        self._kept = (array, labels)  # which the run reads
        options.on_epoch = _OnEpoch(self._see)
        options.stop = ctypes.pointer(self._stop)

        def work() -> None:
            status = library.softwarp_model_train(device, byref(view), labels.ctypes.data, byref(options),
                                                  byref(self.handle))
            if status and self._error is None:
                self._error = failure(status)  # of this thread
            self._done.set()

        self._work = work

    def _see(self, epoch: Any, _: Any) -> int:
        try:
            self.history.append(Epoch(*(getattr(epoch.contents, name) for name in Epoch._fields)))
            return 1 if self._on_epoch is not None and self._on_epoch(self.history[-1]) else 0
        except BaseException as error:  # ctypes would print it and go on
            self._error = error
            return 1

    def run(self) -> Model:
        thread = threading.Thread(target=self._work, name="softwarp.train")
        thread.start()
        try:
            self._done.wait()
        except BaseException as error:  # such as KeyboardInterrupt
            self._error = error
            self._stop.value = 1
        thread.join()
        if self._error is not None:
            library.softwarp_model_free(self.handle)
            raise self._error
        assert self.handle.value is not None
        return Model(self.handle.value, self.history)


def train(images: Any, labels: Any, hidden: Sequence[int] = (512, 256), *, activation: str = "relu",
          initialization: str = "kaiming", input_dropout: float = 0.1, dropout: float = 0.2,
          label_smoothing: float = 0.0, optimizer: str = "adamw", learning_rate: float = 3e-3, momentum: float = 0.0,
          nesterov: bool = False, weight_decay: float = 0.0, schedule: str = "one-cycle", warmup_epochs: float = 0.0,
          step_epochs: int = 10, step_factor: float = 0.1, max_norm: float = 0.0, ema_decay: float = 0.0,
          epochs: int = 12, batch_size: int = 256, seed: int = 1, validation: float = 0.0, patience: int = 0,
          classes: int = 0, max_pixel: int = 255, weights: Optional[Model] = None, device: str = "cpu",
          threads: int = 0, on_epoch: Optional[Callable[[Epoch], Any]] = None) -> Model:
    """Trains a multilayer perceptron to classify.

    images: uint8 [rows, height, width], each pixel divided by `max_pixel`; or numbers of another type, [rows, features]
        or [rows, height, width], which are the network's inputs as they are, as float32.
    labels: whole numbers [rows], from 0 to classes - 1; classes 0: the largest label + 1. At most 256 classes.
    hidden: widths of the hidden layers; () for a linear network.
    weights: a Model of the same layers that gives the first parameters.
    device: "cpu", on `threads` threads (0: one for each core), or "cuda".
    on_epoch: called with an Epoch after each, in another thread; if it returns something true, training ends.

    The others are the flags of `softwarp train` (docs/command_line.md), --lr being learning_rate. The same data,
    settings, device and threads give the same bits. Other Python threads run meanwhile. Ctrl-C ends training with
    KeyboardInterrupt. Raises ValueError for what breaks a rule, with what was expected and found, and RuntimeError if
    training diverges.
    """
    given = locals()
    options = _Options()
    check(library.softwarp_training_defaults(byref(options)))
    for name in ("activation", "initialization", "optimizer", "schedule"):
        setattr(options, name, str(given[name]).encode())
    for name in ("input_dropout", "dropout", "label_smoothing", "learning_rate", "momentum", "weight_decay",
                 "warmup_epochs", "step_factor", "max_norm", "ema_decay", "validation"):
        setattr(options, name, float(given[name]))
    for name in ("nesterov", "step_epochs", "epochs", "batch_size", "seed", "patience", "classes", "max_pixel",
                 "threads"):
        setattr(options, name, int(given[name]))
    widths = (c_int64 * len(hidden))(*map(int, hidden))
    options.hidden = widths
    options.hidden_layers = len(widths)
    options.weights = weights._handle if weights is not None else None
    return _Run(_device(device), images, labels, options, on_epoch).run()
