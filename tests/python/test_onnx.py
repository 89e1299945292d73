"""Model.export_onnx against onnxruntime."""

import numpy as np
import pytest

import softwarp

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("hidden", [(), (9,), (16, 8)])
@pytest.mark.parametrize("activation", ["identity", "relu", "gelu", "tanh", "sigmoid"])
def test_equals_onnxruntime(hidden, activation, tmp_path):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (50, 4, 3), dtype=np.uint8)
    model = softwarp.train(pixels, np.arange(50) % 5, hidden=hidden, activation=activation, epochs=3)
    model.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"],
                                        {"input": pixels.reshape(50, 12).astype(np.float32) / np.float32(255)})
    np.testing.assert_allclose(logits, model.logits(pixels), rtol=0, atol=1e-5)
    np.testing.assert_allclose(probabilities, model.predict_proba(pixels), rtol=0, atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["max_pixel"] == "255"


def test_is_a_valid_model(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = softwarp.train(np.eye(6), np.arange(6) % 2, hidden=(4,), activation="gelu", epochs=1)
    model.export_onnx(tmp_path / "m.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)


def test_says_where_it_cannot_write(tmp_path):
    model = softwarp.train(np.eye(6), np.arange(6) % 2, hidden=(), epochs=1)
    with pytest.raises(OSError, match="m.onnx"):
        model.export_onnx(tmp_path / "no" / "m.onnx")
