"""softwarp.jax against jax.nn and against definitions in double, on the CPU."""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="jax is not installed")
if not hasattr(jax, "ffi"):
    pytest.skip(f"jax {jax.__version__} has no jax.ffi", allow_module_level=True)

import jax.numpy as jnp  # noqa: E402

import softwarp.jax as ours  # noqa: E402

FUNCTIONS = ("softmax", "log_softmax")
BOUNDS = {"float32": 1e-6, "float64": 4e-15, "float16": 2**-11 * 1.01, "bfloat16": 2**-8 * 1.01}


@pytest.fixture(autouse=True)
def on_the_cpu():
    """jax.enable_x64 gives the tests doubles, and JAX its default again after them."""
    jax.config.update("jax_enable_x64", True)
    with jax.default_device(jax.devices("cpu")[0]):
        yield
    jax.config.update("jax_enable_x64", False)


def values(*shape, dtype="float64", seed=1):
    return jnp.asarray(3 * np.random.default_rng(seed).normal(size=shape), dtype)


def reference(function, x, axis):
    x = np.asarray(x, "float64")
    shifted = x - x.max(axis, keepdims=True)
    sum = np.exp(shifted).sum(axis, keepdims=True)
    return shifted - np.log(sum) if function == "log_softmax" else np.exp(shifted) / sum


def assert_near(found, expected, dtype, factor=1):
    assert found.dtype == dtype and found.shape == expected.shape
    np.testing.assert_array_less(np.abs(np.asarray(found, "float64") - expected) / (1 + np.abs(expected)),
                                 factor * BOUNDS[dtype])


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("shape", "axis"), [((5, 10), -1), ((4, 5, 6), 1), ((4, 5, 6), 0), ((7,), 0)])
def test_matches_the_definition(function, shape, axis, dtype):
    x, dy = values(*shape, dtype=dtype), values(*shape, dtype=dtype, seed=2)
    y, backward = jax.vjp(lambda x: getattr(ours, function)(x, axis), x)
    assert_near(y, reference(function, x, axis), dtype)
    _, exact = jax.vjp(lambda x: getattr(jax.nn, function)(x, axis), x.astype("float64"))
    assert_near(backward(dy)[0], np.asarray(exact(dy.astype("float64"))[0]), dtype, factor=60)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_does_with_nan_and_infinities_as_jax_does(function):
    x = values(5, 6).at[1, 2].set(-jnp.inf).at[2, 0].set(jnp.nan).at[3, 0].set(jnp.inf)
    np.testing.assert_allclose(getattr(ours, function)(x), getattr(jax.nn, function)(x), rtol=1e-14, atol=1e-14)


def test_takes_arrays_without_elements():
    assert ours.softmax(jnp.ones((0, 4))).shape == (0, 4)
    assert ours.log_softmax(jnp.ones((3, 0))).shape == (3, 0)
    assert jnp.isnan(ours.cross_entropy(jnp.ones((0, 4)), jnp.ones(0, int)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_maps_over_a_batch(function):
    x = values(3, 4, 5)
    call = getattr(ours, function)
    np.testing.assert_array_equal(jax.vmap(call, in_axes=1, out_axes=1)(x), call(x))


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize(("weighted", "smoothing", "ignore_index"),
                         list(itertools.product([False, True], [0.0, 0.1], [-100, 3])))
def test_loss_matches_the_definition(dtype, reduction, weighted, smoothing, ignore_index):
    x, labels = values(4, 5, 10, dtype=dtype), (jnp.arange(20) % 10).at[5].set(ignore_index).reshape(4, 5)
    weight = jnp.abs(values(10, dtype=dtype, seed=3)) if weighted else None
    dloss = values(*[4, 5] if reduction == "none" else [], dtype=dtype, seed=4)

    def exact(x):
        log_y, counted = jax.nn.log_softmax(x), labels != ignore_index
        w = jnp.ones(10) if weight is None else weight.astype("float64")
        t = jnp.where(counted, labels, 0)
        nll = -jnp.take_along_axis(log_y, t[..., None], -1)[..., 0] * w[t]
        losses = counted * ((1 - smoothing) * nll - smoothing / 10 * (log_y * w).sum(-1))
        return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / (w[t] * counted).sum()}[reduction]

    loss, backward = jax.vjp(lambda x: ours.cross_entropy(x, labels, weight, ignore_index, reduction, smoothing), x)
    expected, exact_backward = jax.vjp(exact, x.astype("float64"))
    assert_near(loss, np.asarray(expected), dtype, factor=8)
    assert_near(backward(dloss)[0], np.asarray(exact_backward(dloss.astype("float64"))[0]), dtype, factor=16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_a_network_is_that_of_jax(dtype):
    x, labels = values(8, 6, dtype=dtype), jnp.arange(8) % 7
    parameters = (values(6, 16, dtype=dtype, seed=2) / 3, values(16, 7, dtype=dtype, seed=3) / 3)

    def loss(cross_entropy, parameters):
        return cross_entropy(jax.nn.relu(x @ parameters[0]) @ parameters[1], labels)

    def jax_itself(logits, labels):
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

    found = jax.jit(jax.grad(lambda p: loss(ours.cross_entropy, p)))(parameters)
    expected = jax.jit(jax.grad(lambda p: loss(jax_itself, p)))(parameters)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_loss_maps_over_a_batch_of_logits_and_weights(reduction):
    x, labels, weights = values(3, 4, 5), (jnp.arange(12) % 5).reshape(3, 4), jnp.abs(values(3, 5, seed=2))
    for given in ((x, labels), (x, labels, weights)):
        found = jax.vmap(lambda *a: ours.cross_entropy(*a, reduction=reduction))(*given)
        expected = [ours.cross_entropy(*[g[i] for g in given], reduction=reduction) for i in range(3)]
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-15)


def test_refuses_in_one_line():
    x = values(3, 4)
    with pytest.raises(ValueError, match=r"expected an array of floating-point numbers with an axis, found int64\[3\]"):
        ours.softmax(jnp.arange(3))
    with pytest.raises(ValueError, match=r"expected labels of integers of shape \[3\], found int64\[4\]"):
        ours.cross_entropy(x, jnp.arange(4))
    with pytest.raises(ValueError, match="expected reduction none, sum or mean, found average"):
        ours.cross_entropy(x, jnp.arange(3), reduction="average")
    with pytest.raises(ValueError, match=r"expected weight of shape \[4\], found \[3\]"):
        ours.cross_entropy(x, jnp.arange(3), jnp.ones(3))
    with pytest.raises(Exception, match=r"expected a target in \[0, 4\).*found 4 in row 2"):
        jax.block_until_ready(ours.cross_entropy(x, jnp.asarray([0, 1, 4])))


LAYOUTS = [line.split() for line in """
Extension type Extension_Base type
Version major_version Api_Version major_version
Version minor_version Api_Version minor_version
Metadata version Metadata api_version
Metadata traits Metadata traits
MetadataExtension metadata Metadata_Extension metadata
ErrorArguments message Error_Create_Args message
ErrorArguments code Error_Create_Args errc
Api create_error Api XLA_FFI_Error_Create
Buffer dtype Buffer dtype
Buffer data Buffer data
Buffer rank Buffer rank
Buffer dims Buffer dims
Buffers size Args size
Buffers values Args args
Buffers values Rets rets
Scalar value Scalar value
Attributes values Attrs attrs
CallFrame extensions CallFrame extension_start
CallFrame api CallFrame api
CallFrame arguments CallFrame args
CallFrame results CallFrame rets
CallFrame attributes CallFrame attrs
""".strip().splitlines()]


@pytest.mark.skipif(shutil.which("g++") is None, reason="the headers of jaxlib are compiled with g++")
def test_the_handlers_layouts_are_those_of_jaxlibs_headers(tmp_path):
    header = Path(__file__).parents[2] / "host/c/xla.h"
    if not header.exists():
        pytest.skip("the sources of libsoftwarp.so are not here")
    source = tmp_path / "layouts.cpp"
    head = f'#include "{header}"\n#include "xla/ffi/api/c_api.h"\nusing namespace softwarp::xla;\n'
    source.write_text(head + "".join(
        f"static_assert(offsetof({a}, {b}) == offsetof(XLA_FFI_{c}, {d}));\n" for a, b, c, d in LAYOUTS))
    subprocess.run(["g++", "-std=c++20", "-fsyntax-only", f"-I{jax.ffi.include_dir()}", source], check=True)


def test_softwarp_does_not_import_jax():
    subprocess.run([sys.executable, "-c", "import sys, softwarp; sys.exit('jax' in sys.modules)"], check=True)
