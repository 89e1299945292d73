"""Cross-entropy and its gradient against the definition in double and against PyTorch."""

import itertools

import numpy as np
import pytest
import reference
from reference import INF, assert_close

import softwarp

ROWS, COLS = 9, 37


@pytest.fixture(params=itertools.product(["none", "sum", "mean"], [False, True], [0.0, 0.1]),
                ids=lambda p: f"{p[0]}-{'weights' if p[1] else 'equal'}-{p[2]}")
def options(request, random):
    reduction, weighted, smoothing = request.param
    weight = 0.5 + random.integers(0, 3, COLS) if weighted else None
    return {"weight": weight, "reduction": reduction, "label_smoothing": smoothing}


@pytest.mark.parametrize("cols", [COLS, 1200])
def test_is_the_definition(cols, library, dtype, options, random):
    logits = library.array(random.normal(0, 3, (ROWS, cols)), dtype)
    target = random.integers(0, cols, ROWS)
    target[[2, 5]] = -100
    weight = options["weight"]
    if weight is not None:
        weight = np.resize(weight, cols)
        options = {**options, "weight": library.array(weight, dtype)}
    above = random.normal(1, 0.5, ROWS if options["reduction"] == "none" else ())
    above = library.array(above, dtype)
    loss, gradient = softwarp.cross_entropy_with_gradient(logits, library.integers(target), grad_output=above, **options)
    expected = reference.cross_entropy(library.numbers(logits), target,
                                       **{**options, "weight": weight, "grad_output": library.numbers(above)})
    assert library.is_one(loss, dtype) and library.is_one(gradient, dtype)
    assert_close(library.numbers(loss), expected[0], dtype)
    assert_close(library.numbers(gradient), expected[1], dtype)
    alone = softwarp.cross_entropy(logits, library.integers(target), **options)
    assert (library.numbers(alone) == library.numbers(loss)).all()


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (3, 5, 2), (3, 5, 2, 4), (0, 5), (3, 5, 0)])
def test_shapes(shape, reduction, library, random):
    axis = 0 if len(shape) == 1 else 1
    logits = random.normal(0, 2, shape)
    rest = shape[:axis] + shape[axis + 1:]
    target = random.integers(0, 5, rest)
    rows = np.moveaxis(logits, axis, -1).reshape(-1, 5)
    expected = reference.cross_entropy(rows, target.reshape(-1), reduction=reduction)
    loss, gradient = softwarp.cross_entropy_with_gradient(library.array(logits, "float64"), library.integers(target),
                                                          reduction=reduction)
    assert_close(library.numbers(loss), np.reshape(expected[0], rest if reduction == "none" else ()), "float64")
    assert_close(library.numbers(gradient), np.moveaxis(expected[1].reshape(*rest, 5), -1, axis), "float64")


def test_targets_are_taken_as_they_are(library):
    logits = library.array(np.zeros((2, 10)), "float32")
    for wrong in (2**32 + 3, 10, -1, -(2**63)):
        with pytest.raises(ValueError, match=rf"expected a target in \[0, 10\) or -100, which is ignored, found {wrong} in row 1"):
            softwarp.cross_entropy(logits, library.integers([3, wrong]))
    ignored = softwarp.cross_entropy(logits, library.integers([3, 2**40]), ignore_index=2**40, reduction="none")
    assert library.numbers(ignored) == pytest.approx([np.log(10), 0])


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint64"])
def test_targets_of_any_integers(kind):
    logits = np.zeros((2, 10), np.float32)
    assert softwarp.cross_entropy(logits, np.array([3, 4], kind)) == pytest.approx(np.log(10))


def test_all_rows_ignored(library, dtype):
    logits = library.array(np.zeros((3, 4)), dtype)
    target = library.integers([-100] * 3)
    loss, gradient = softwarp.cross_entropy_with_gradient(logits, target)
    assert np.isnan(library.numbers(loss)) and (library.numbers(gradient) == 0).all()
    assert library.numbers(softwarp.cross_entropy(logits, target, reduction="sum")) == 0


def test_infinities(library, dtype):
    logits = library.array([[0, -INF, 1, -INF], [-INF] * 4, [0, INF, 0, 0]], dtype)
    loss, gradient = softwarp.cross_entropy_with_gradient(logits, library.integers([0, 1, 1]), reduction="none")
    found = library.numbers(loss)
    assert_close(found[0], np.log1p(np.exp(1.0)), dtype)
    assert np.isnan(found[1:]).all()
    assert library.numbers(gradient)[0, 1] == 0 and np.isnan(library.numbers(gradient)[1:]).all()
    masked = softwarp.cross_entropy(logits, library.integers([1, -100, -100]), reduction="none")
    assert library.numbers(masked)[0] == INF


def test_is_never_farther_from_the_definition_than_torch(dtype, options, random):
    torch = pytest.importorskip("torch")
    if dtype in ("float16", "bfloat16"):
        pytest.skip("torch 1.x has no cross-entropy of 16 bits on the CPU")
    logits = torch.tensor(random.normal(0, 5, (64, COLS))).to(getattr(torch, dtype)).requires_grad_()
    target = torch.tensor(random.integers(0, COLS, 64))
    weight = None if options["weight"] is None else torch.tensor(options["weight"]).to(logits.dtype)
    arguments = {**options, "weight": weight}
    theirs = torch.nn.functional.cross_entropy(logits, target, **arguments)
    theirs.sum().backward()
    ours = softwarp.cross_entropy_with_gradient(logits.detach(), target, **arguments)
    expected = reference.cross_entropy(logits.detach().numpy(), target.numpy(), **options)
    for found, other, value in zip(ours, (theirs.detach(), logits.grad), expected):
        unit = np.finfo(dtype).eps * np.abs(value).max()
        assert np.abs(found.numpy() - value).max() <= np.abs(other.numpy() - value).max() + unit


def test_errors():
    logits, target = np.zeros((2, 5), np.float32), np.array([0, 1])
    for what, message in [
            (lambda: softwarp.cross_entropy(logits, target[:1]), r"target: expected an array of shape \(2,\), found \(1,\)"),
            (lambda: softwarp.cross_entropy(logits, target * 1.0), "target: expected an array of integers, found float64"),
            (lambda: softwarp.cross_entropy(logits, target, np.ones(4)), r"weight: expected an array of shape \(5,\)"),
            (lambda: softwarp.cross_entropy(logits, target, reduction="max"), "reduction: expected none, sum or mean"),
            (lambda: softwarp.cross_entropy(logits, target, label_smoothing=1.5), "label_smoothing: expected a number from"),
            (lambda: softwarp.cross_entropy(logits[:, :0], target), "logits: expected a class or more")]:
        with pytest.raises(ValueError, match=message):
            what()
    with pytest.raises(TypeError, match="target: expected an array with __dlpack__"):
        softwarp.cross_entropy(logits, [0, 1])
