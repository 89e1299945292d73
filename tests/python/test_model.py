"""softwarp.train and softwarp.Model: they learn, compute by the definition, keep files, and can be interrupted."""

import inspect
import json
import pickle
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import softwarp
from softwarp import _model


def points(count=300, inputs=5, classes=3, seed=0):
    """Points around centres, of which no coordinate is a byte."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (rng.normal(0, 3, (classes, inputs))[labels] + rng.normal(0, 0.3, (count, inputs))), labels


SMALL = dict(hidden=(16, 8), epochs=8, batch_size=32, learning_rate=0.02, input_dropout=0, dropout=0)


def read_safetensors(path):
    """The tensors of a file, as its format says: https://github.com/huggingface/safetensors#format"""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    metadata = header.pop("__metadata__")
    return metadata, {name: np.frombuffer(data[slice(*of["data_offsets"])], np.float32).reshape(of["shape"])
                      for name, of in header.items()}


ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}


def logits_of(path, x):
    """The definition in double, of the file's tensors."""
    metadata, tensors = read_safetensors(path)
    layers = len(tensors) // 2
    h = np.asarray(x, np.float64)
    for i in range(1, layers + 1):
        h = h @ tensors[f"fc{i}.weight"].astype(np.float64).T + tensors[f"fc{i}.bias"]
        if i < layers:
            h = ACTIVATIONS[metadata["activation"]](h)
    return h


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_saved_model_computes_by_the_definition(activation, tmp_path):
    x, labels = points()
    model = softwarp.train(x, labels, activation=activation, **SMALL)
    assert (model.inputs, model.hidden, model.classes, model.activation) == (5, (16, 8), 3, activation)
    assert model.score(x, labels) > 0.98
    model.save(tmp_path / "model.safetensors")
    expected = logits_of(tmp_path / "model.safetensors", x.astype(np.float32))
    np.testing.assert_allclose(model.logits(x), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    proba = np.exp(expected - expected.max(axis=1, keepdims=True))
    np.testing.assert_allclose(model.predict_proba(x), proba / proba.sum(axis=1, keepdims=True), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x), expected.argmax(axis=1))


def test_images_of_bytes_are_divided_by_max_pixel():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 17, (64, 2, 3), dtype=np.uint8)
    labels = np.arange(64) % 4
    of_bytes = softwarp.train(pixels, labels, max_pixel=16, **SMALL)
    of_floats = softwarp.train(pixels.astype(np.float32) * np.float32(1 / 16), labels, **SMALL)
    assert (of_bytes.image_shape, of_bytes.max_pixel) == ((2, 3), 16)
    np.testing.assert_array_equal(of_bytes.logits(pixels), of_floats.logits(pixels.reshape(64, 6) / np.float32(16)))


def test_arrays_of_any_layout_and_type_of_number():
    x, labels = points()
    expected = softwarp.train(x.astype(np.float32), labels, **SMALL).logits(x)
    wide = np.zeros((300, 9))
    wide[:, 2:7] = x
    for same in (x, wide[:, 2:7], np.asfortranarray(x), x.tolist()):
        np.testing.assert_array_equal(softwarp.train(same, labels.astype(np.uint8), **SMALL).logits(same), expected)


def test_history_callback_and_validation():
    x, labels = points()
    seen = []
    model = softwarp.train(x, labels, validation=0.1, on_epoch=seen.append, **SMALL)
    assert seen == model.history and [epoch.epoch for epoch in seen] == list(range(1, 9))
    assert seen[-1].loss < seen[0].loss and seen[-1].validation_accuracy > 0.9
    assert seen[-1].steps == 8 * 9  # 270 images
    model = softwarp.train(x, labels, on_epoch=lambda epoch: epoch.epoch == 3, **SMALL)
    assert len(model.history) == 3 and np.isnan(model.history[0].validation_loss)


def test_an_exception_of_the_callback_ends_training():
    def fail(epoch):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        softwarp.train(*points(), on_epoch=fail, **SMALL)


def test_goes_on_from_given_weights():
    x, labels = points()
    first = softwarp.train(x, labels, **SMALL)
    second = softwarp.train(x, labels, weights=first, **{**SMALL, "learning_rate": 1e-12, "epochs": 1})
    np.testing.assert_allclose(second.logits(x), first.logits(x), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="expected weights of a network 5-7-3 with relu, found 5-16-8-3 with relu"):
        softwarp.train(x, labels, weights=first, **{**SMALL, "hidden": (7,)})


@pytest.mark.parametrize("names", [("0", "2"), ("fc1", "fc2"), ("layers.0", "layers.3")])
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_reads_a_state_dict(names, dtype, tmp_path):
    rng = np.random.default_rng(2)
    tensors = {}
    for name, shape in zip(names, [(4, 3), (2, 4)]):
        tensors[f"{name}.weight"] = rng.normal(size=shape).astype(np.float32)
        tensors[f"{name}.bias"] = rng.normal(size=shape[0]).astype(np.float32)
    header, data = {}, b""
    for name, tensor in tensors.items():
        if dtype == "BF16":  # the upper half of a float
            stored = (tensor.view(np.uint32) >> 16).astype(np.uint16)
            tensors[name] = (stored.astype(np.uint32) << 16).view(np.float32)
        else:
            stored = tensor.astype({"F32": np.float32, "F16": np.float16}[dtype])
            tensors[name] = stored.astype(np.float32)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + stored.nbytes]}
        data += stored.tobytes()
    text = json.dumps(header).encode()
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    x = rng.normal(size=(7, 3))
    first, second = names
    h = np.maximum(x @ tensors[f"{first}.weight"].T + tensors[f"{first}.bias"], 0)
    expected = h @ tensors[f"{second}.weight"].T + tensors[f"{second}.bias"]
    model = softwarp.Model.load(tmp_path / "net.safetensors")
    np.testing.assert_allclose(model.logits(x), expected, rtol=0, atol=1e-5)
    tanh = softwarp.Model.load(tmp_path / "net.safetensors", activation="tanh")
    assert tanh.activation == "tanh" and not np.allclose(tanh.logits(x), expected)


def test_a_model_survives_files_and_pickle(tmp_path):
    x, labels = points()
    model = softwarp.train(x, labels, validation=0.1, **SMALL)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(softwarp.Model.load(str(tmp_path / "model.safetensors")).logits(x), model.logits(x))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.logits(x), model.logits(x))
    assert again.history == model.history and repr(again) == "softwarp.Model(5-16-8-3, relu)"


def test_errors_say_what_was_expected_and_found(tmp_path):
    x, labels = points()
    for arguments, settings, text in [
        ((x[0], labels), {}, r"expected images \[rows, height, width\] or features .*, found shape \(5,\)"),
        ((x, labels[1:]), {}, r"expected labels of shape \(300,\), one for each image, found \(299,\)"),
        ((x, labels / 2), {}, "expected labels of whole numbers, found float64"),
        ((x, labels - 1), {}, "expected labels from 0 to 255, found -1"),
        ((x.astype(str), labels), {}, "expected images of uint8, or of numbers"),
        ((x, labels), {"epochs": 0}, "expected epochs from 1 to .*, found 0"),
        ((x, labels), {"activation": "swish"}, "expected activation .*, found swish"),
        ((x, labels), {"device": "tpu"}, "expected device cpu or cuda, found tpu"),
        ((x, labels), {"hidden": (0,)}, "expected hidden widths from 1 to 1048576, found 0"),
    ]:
        with pytest.raises(ValueError, match=text):
            softwarp.train(*arguments, **settings)
    with pytest.raises(RuntimeError, match="training diverged in step"):
        softwarp.train(x, labels, optimizer="sgd", learning_rate=1e12)
    model = softwarp.train(x, labels, **SMALL)
    with pytest.raises(ValueError, match="expected images of 5 inputs, found 4"):
        model.predict(x[:, :4])
    with pytest.raises(FileNotFoundError):
        softwarp.Model.load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="text: expected"):
        softwarp.Model.load(tmp_path / "text")
    with pytest.raises(OSError, match="model"):
        model.save(tmp_path / "no" / "model")


def test_the_defaults_are_the_librarys():
    options = _model._Options()
    _model.check(_model.library.softwarp_training_defaults(options))
    parameters = inspect.signature(softwarp.train).parameters
    assert parameters["hidden"].default == tuple(options.hidden[:options.hidden_layers])
    for name, kind in _model._Options._fields_:
        if name in ("hidden", "hidden_layers", "weights", "on_epoch", "context", "stop"):
            continue
        expected = getattr(options, name)
        found = parameters[name].default
        assert found == (expected.decode() if isinstance(expected, bytes) else pytest.approx(expected)), name


INTERRUPTED = textwrap.dedent("""
    import numpy as np, signal, softwarp, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    x = np.random.default_rng(0).normal(size=(4000, 200))
    def tell(epoch):
        print("training", flush=True)
    try:
        softwarp.train(x, np.arange(4000) % 10, hidden=(500, 500), epochs=1000000, on_epoch=tell)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(3)
""")


def test_ctrl_c_ends_training():
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "training\n"
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=120)
    assert output.splitlines()[-1] == "interrupted" and child.returncode == 3


def test_other_threads_run_meanwhile():
    x, labels = points()
    rounds, training = [0], threading.Event()

    def count():
        training.wait()
        while training.is_set():
            rounds[0] += 1
            time.sleep(0)

    def see(epoch):
        training.set()

    thread = threading.Thread(target=count)
    thread.start()
    softwarp.train(x, labels, hidden=(256,), epochs=20, on_epoch=see)
    training.clear()
    thread.join()
    assert rounds[0] > 0


def test_a_model_is_used_by_several_threads():
    x, labels = points()
    model = softwarp.train(x, labels, **SMALL)
    expected = model.logits(x, threads=1)
    found = [None] * 4

    def use(i):
        found[i] = model.logits(x, threads=1)

    threads = [threading.Thread(target=use, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in found:
        np.testing.assert_array_equal(each, expected)
