"""softmax and its family against the definitions in double, of every dtype, shape, axis and stride."""

import numpy as np
import pytest
import reference
from reference import INF, assert_close

import softwarp

FORWARD = {"softmax": (softwarp.softmax, reference.softmax),
           "log_softmax": (softwarp.log_softmax, reference.log_softmax)}
BACKWARD = {"softmax_backward": (softwarp.softmax_backward, reference.softmax_backward),
            "log_softmax_backward": (softwarp.log_softmax_backward, reference.log_softmax_backward)}
# One element, a short row, one longer than the registers hold, one that threads share; axes in front and between.
SHAPES = [((), -1), ((7,), 0), ((3, 10), -1), ((2, 300), 1), ((1, 70001), -1), ((300, 3), 0), ((4, 5, 6), 1),
          ((4, 5, 6), 0), ((2, 1000, 33), 1), ((3, 4, 1), 1), ((2, 3, 2, 5), -2), ((600, 70), -1)]


def output_of(name, values, axis):
    return FORWARD["log_softmax" if name.startswith("log") else "softmax"][1](values, axis)


@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_forward_is_the_definition(name, shape, axis, library, dtype, random):
    x = library.array(random.normal(0, 3, shape), dtype)
    y = FORWARD[name][0](x, axis)
    assert library.is_one(y, dtype)
    values = np.atleast_1d(library.numbers(x))
    assert_close(library.numbers(y), FORWARD[name][1](values, axis).reshape(shape), dtype)


@pytest.mark.parametrize("name", BACKWARD)
@pytest.mark.parametrize(("shape", "axis"), SHAPES[1:])
def test_backward_is_the_definition(name, shape, axis, library, dtype, random):
    y = library.array(output_of(name, random.normal(0, 2, shape), axis), dtype)
    dy = library.array(random.normal(0, 1, shape), dtype)
    dx = BACKWARD[name][0](y, dy, axis)
    assert library.is_one(dx, dtype)
    values, above = library.numbers(y), library.numbers(dy)
    # The sum's error grows with its summands.
    scale = 1 + np.abs(above * (1 if name.startswith("log") else values)).sum(axis=axis, keepdims=True)
    assert_close(library.numbers(dx), BACKWARD[name][1](values, above, axis), dtype, scale=scale)


@pytest.mark.parametrize("cut", [np.s_[:, ::2], np.s_[::2], np.s_[:, ::-1], np.s_[:, 3:9], np.s_[..., 1:8], np.s_[:, :, 2]])
@pytest.mark.parametrize("axis", [0, -1])
def test_any_strides(cut, axis, dtype, random):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = random.normal(0, 3, (6, 12, 9)).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)[cut]
    expected = reference.softmax(x.astype(np.float64), axis)
    assert_close(softwarp.softmax(x, axis), expected, dtype)
    assert_close(softwarp.softmax(x.T, axis), reference.softmax(x.T.astype(np.float64), axis), dtype)
    out = np.zeros((6, 12, 9), x.dtype)[cut]
    assert softwarp.softmax(np.ascontiguousarray(x), axis, out=out) is out
    assert_close(out, expected, dtype)


def test_a_broadcast_and_a_reversed_array(random):
    x = np.broadcast_to(random.normal(size=(1, 5)), (4, 5))
    assert_close(softwarp.softmax(x, 0), np.full((4, 5), 0.25), "float64")
    assert_close(softwarp.softmax(x, out=np.empty((4, 5))), reference.softmax(x), "float64")
    assert_close(softwarp.softmax(x[::-1, ::-1]), reference.softmax(x[::-1, ::-1]), "float64")


def test_torch_tensors_of_any_strides(random):
    torch = pytest.importorskip("torch")
    x = torch.tensor(random.normal(size=(4, 6, 8)))
    for view in (x.transpose(0, 2), x[:, ::2], x[..., 3], x.permute(2, 0, 1)[1:], x[:1].expand(5, 6, 8)):
        for axis in range(view.dim()):
            assert_close(softwarp.softmax(view, axis).numpy(), reference.softmax(view.numpy(), axis), "float64")


def test_special_values(library, dtype):
    nan = float("nan")
    x = library.array([[-INF, 0, 0, -INF], [-INF] * 4, [0, INF, 0, 0], [nan, 0, 0, 0], [0, -0.0, 0, 0]], dtype)
    y = library.numbers(softwarp.softmax(x))
    assert y[0].tolist() == [0, 0.5, 0.5, 0]
    assert y[4].tolist() == [0.25] * 4
    assert np.isnan(y[1:4]).all()
    assert library.numbers(softwarp.log_softmax(x))[0, 0] == -INF
    assert np.isnan(library.numbers(softwarp.log_softmax(x))[1:4]).all()
    by_columns = library.numbers(softwarp.softmax(x, 0))
    assert np.isnan(by_columns[:, 0]).all()
    assert_close(by_columns[:, 2], reference.softmax([0, -INF, 0, 0, 0]), dtype)


def test_16_bits_are_rounded_once(library, random):
    """exp(log(y)) of every float16 in [2^-10, 1] is nearest: no other float16 is closer to the definition."""
    y = np.arange(0x1400, 0x3C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    logits = np.stack([np.log(y), np.log1p(-y)], axis=1).astype(np.float16).astype(np.float64)
    found = library.numbers(softwarp.softmax(library.array(logits, "float16")))
    expected = reference.softmax(logits)
    nearest = expected.astype(np.float16).astype(np.float64)
    wrong = found != nearest
    # If float32's error crosses the middle between two float16, the neighbour is as near to 2^-12.
    assert np.abs(found - expected)[wrong].max(initial=0) <= (2.0**-11 * 1.001 * expected[wrong]).max(initial=0)
    assert wrong.mean() < 0.01


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0,), (2, 0, 3)])
def test_no_elements(shape, library, dtype):
    x = library.array(np.zeros(shape), dtype)
    for axis in range(len(shape)):
        assert tuple(softwarp.softmax(x, axis).shape) == shape
        assert tuple(softwarp.log_softmax_backward(x, x, axis).shape) == shape


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_in_place(axis, library, dtype, random):
    x = library.array(random.normal(0, 3, (4, 50, 3)), dtype)
    expected = library.numbers(softwarp.softmax(x, axis)).copy()
    assert softwarp.softmax(x, axis, out=x) is x
    assert (library.numbers(x) == expected).all()


def test_read_only_inputs(random):
    x = random.normal(size=(3, 4))
    x.flags.writeable = False
    assert_close(softwarp.softmax(x), reference.softmax(x), "float64")
    with pytest.raises(ValueError, match="out: expected an array that can be written, found a read-only one"):
        softwarp.softmax(x, out=x)


def test_the_jacobian(library, dtype, random):
    y = library.array(reference.softmax(random.normal(size=(2, 3, 5))), dtype)
    p = library.numbers(y)
    expected = np.einsum("...i,ij->...ij", p, np.eye(5)) - p[..., :, None] * p[..., None, :]
    found = softwarp.softmax_jacobian(y)
    assert library.is_one(found, dtype)
    assert_close(library.numbers(found), expected, dtype)
    assert tuple(softwarp.softmax_jacobian(y[:0]).shape) == (0, 3, 5, 5)
    assert_close(library.numbers(softwarp.softmax_jacobian(y[..., 1:4])), expected[..., 1:4, 1:4], dtype)


def test_argmax(library, dtype, random):
    x = library.array(np.round(random.normal(0, 3, (4, 30, 5))), dtype)
    for axis in (0, 1, 2, -1):
        found = softwarp.argmax(x, axis)
        assert str(found.dtype).endswith("int64")
        assert (np.asarray(found) == library.numbers(x).argmax(axis)).all()
    assert (np.asarray(softwarp.argmax(library.array([[1, np.nan, 7], [-INF] * 3], dtype))) == [1, 0]).all()
    assert (np.asarray(softwarp.argmax(x[:, 3:20:2])) == library.numbers(x)[:, 3:20:2].argmax(-1)).all()


def test_errors(random):
    x = random.normal(size=(3, 4))
    for what, message, error in [
            (lambda: softwarp.softmax([1.0]), "x: expected an array with __dlpack__, .*, found list", TypeError),
            (lambda: softwarp.softmax(np.arange(3)), "x: expected an array of float32, .*, found int64", ValueError),
            (lambda: softwarp.softmax(x.astype(">f4")), "x: expected an array of float32, .*, found >f4", ValueError),
            (lambda: softwarp.softmax(x, 2), "x: expected an axis from -2 to 1, found 2", ValueError),
            (lambda: softwarp.softmax(x, out=x[:2].copy()), r"out: expected an array of shape \(3, 4\), found \(2, 4\)",
             ValueError),
            (lambda: softwarp.softmax(x, out=x.astype("f4")), "out: expected an array of float64, found float32", ValueError),
            (lambda: softwarp.softmax_backward(x, x[0]), r"dy: expected an array of shape \(3, 4\), found \(4,\)", ValueError),
            (lambda: softwarp.argmax(x[:, :0]), r"x: expected an element or more along axis 1, found shape \(3, 0\)",
             ValueError)]:
        with pytest.raises(error, match=message):
            what()
    memory = random.normal(size=13)
    with pytest.raises(ValueError, match="softwarp_softmax: expected a result in the input's memory, or in memory that"):
        softwarp.softmax(memory[:12].reshape(3, 4), out=memory[1:].reshape(3, 4))


def test_a_tensor_that_requires_a_gradient_is_refused():
    torch = pytest.importorskip("torch")
    x = torch.zeros(3, requires_grad=True)
    with pytest.raises(ValueError, match="x: expected a tensor that does not require a gradient"):
        softwarp.softmax(x)
    with torch.no_grad():
        assert softwarp.softmax(x).tolist() == pytest.approx([1 / 3] * 3)
