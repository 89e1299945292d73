"""Definitions in long double, written from the formulas; arrays and bounds for every dtype."""

import numpy as np

INF = float("inf")


def softmax(x, axis=-1):
    x = np.asarray(x, np.longdouble)
    with np.errstate(all="ignore"):
        m = x.max(axis=axis, keepdims=True)
        e = np.exp(x - m)
        return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    x = np.asarray(x, np.longdouble)
    with np.errstate(all="ignore"):
        shifted = x - x.max(axis=axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def softmax_backward(y, dy, axis=-1):
    y, dy = np.asarray(y, np.longdouble), np.asarray(dy, np.longdouble)
    return y * (dy - (y * dy).sum(axis=axis, keepdims=True))


def log_softmax_backward(y, dy, axis=-1):
    y, dy = np.asarray(y, np.longdouble), np.asarray(dy, np.longdouble)
    return dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)


def cross_entropy(logits, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0,
                  grad_output=1.0):
    """The loss and its gradient; logits [rows, cols], target [rows]."""
    logits, target = np.asarray(logits, np.longdouble), np.asarray(target)
    rows, cols = logits.shape
    w = np.ones(cols, np.longdouble) if weight is None else np.asarray(weight, np.longdouble)
    counted = target != ignore_index
    t = np.where(counted, target, 0)
    nll = -log_softmax(logits)
    one_hot = np.eye(cols, dtype=np.longdouble)[t]
    share = (1 - label_smoothing) * one_hot * w + label_smoothing / cols * w
    with np.errstate(all="ignore"):
        # Without smoothing a class that is not the target counts for nothing, also where its nll is infinite.
        each = np.where(share == 0, 0, share * nll) if label_smoothing == 0 else share * nll
        losses = np.where(counted, each.sum(axis=1), 0)
        gradient = softmax(logits) * share.sum(axis=1, keepdims=True) - share
        gradient = np.where(counted[:, None], gradient, 0)
        total = (w[t] * counted).sum()
        if reduction == "none":
            return losses, gradient * np.broadcast_to(grad_output, rows)[:, None]
        if reduction == "sum":
            return losses.sum(), gradient * grad_output
        gradient = np.where(counted[:, None], gradient / total * grad_output, 0)
        return losses.sum() / total, gradient


# Half a unit in the last place of a result of 16 bits, relative; its least normal number has a smaller absolute one.
HALF_ULP = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
LEAST = {"float16": 2.0**-25, "bfloat16": 0.0}


def assert_close(found, expected, dtype, float_bound=4e-6, scale=1.0):
    """`float_bound`: the error of the code of float32, by results around 1; of double it is 2^-29 of that. `scale`: of the
    numbers that a sum was made of."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    computed = float_bound * (2.0**-29 if dtype == "float64" else 1)
    rounded = np.abs(expected) * HALF_ULP.get(dtype, 0) + LEAST.get(dtype, 0)
    with np.errstate(invalid="ignore"):
        bound = computed * (scale + np.abs(expected)) * (1 + HALF_ULP.get(dtype, 0)) + rounded
        same = (found == expected) | (np.isnan(found) & np.isnan(expected)) | (np.abs(found - expected) <= bound)
    if not same.all():
        worst = np.unravel_index(np.argmin(same), same.shape) if same.shape else ()
        raise AssertionError(f"at {worst}: found {found[worst]!r}, expected {expected[worst]!r}; "
                             f"{np.count_nonzero(~same)} of {same.size} differ")
