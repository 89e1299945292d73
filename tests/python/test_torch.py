"""softwarp.torch against definitions in double and against torch's own, on each device that there is."""

import importlib.util
import itertools
import shutil
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
if int(torch.__version__.split(".")[0]) < 2:
    pytest.skip(f"softwarp.torch needs torch 2.0, found {torch.__version__}", allow_module_level=True)

import torch.nn.functional as F  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

import softwarp.torch as custom_ops  # noqa: E402

HAS_CUSTOM_OPS = hasattr(torch.library, "custom_op")
FUNCTIONS = ("softmax", "log_softmax")
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
# Of an element, relative to 1 + its magnitude: some units in the last place; 16-bit types are rounded once.
BOUNDS = {torch.float32: 1e-6, torch.float64: 4e-15, torch.float16: 2**-11 * 1.01, torch.bfloat16: 2**-8 * 1.01}
needs_custom_ops = pytest.mark.skipif(not HAS_CUSTOM_OPS, reason="torch before 2.4 has no custom ops")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(),
                                                                             reason="torch sees no CUDA device"))])
def device(request):
    return request.param


@pytest.fixture(params=["custom ops", "autograd.Functions"])
def ours(request, monkeypatch):
    """softwarp.torch, and what it is for a torch without custom ops."""
    if request.param == "custom ops":
        return custom_ops
    monkeypatch.delattr(torch.library, "custom_op", raising=False)
    spec = importlib.util.spec_from_file_location("softwarp_without_custom_ops", custom_ops.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(*shape, device="cpu", dtype=torch.float64, seed=1, scale=3):
    """Random numbers that dtype holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype).to(device)


def reference(function, x, dim):
    shifted = x.double() - x.double().amax(dim, keepdim=True)
    sum = shifted.exp().sum(dim, keepdim=True)
    return shifted - sum.log() if function == "log_softmax" else shifted.exp() / sum


def reference_loss(x, target, weight, ignore_index, reduction, smoothing):
    """Of x [N, C] and target [N] in double."""
    log_y, counted = reference("log_softmax", x, 1), target != ignore_index
    weight = torch.ones(x.shape[1], dtype=torch.float64, device=x.device) if weight is None else weight.double()
    t = torch.where(counted, target, 0)
    nll = -log_y.gather(1, t[:, None])[:, 0] * weight[t]
    losses = counted * ((1 - smoothing) * nll - smoothing / x.shape[1] * (log_y * weight).sum(1))
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / (weight[t] * counted).sum()}[reduction]


def assert_near(found, expected, dtype, factor=1):
    assert found.dtype == dtype and found.shape == expected.shape
    error = (found.double() - expected.double()).abs() / (1 + expected.double().abs())
    assert torch.equal(found.isnan(), expected.isnan())
    assert error.nan_to_num(0).max() <= factor * BOUNDS[dtype] if error.numel() else True


CASES = [((5, 10), -1), ((3, 1000), 1), ((4, 5, 6), 1), ((4, 5, 6), 0), ((4, 5, 6), -1), ((7,), 0), ((), 0),
         ((2, 1), 1)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("shape", "dim"), CASES)
def test_matches_the_definition(ours, device, function, shape, dim, dtype):
    x = values(*shape, device=device, dtype=dtype).requires_grad_()
    dy = values(*shape, device=device, dtype=dtype, seed=2, scale=1)
    y = getattr(ours, function)(x, dim)
    assert_near(y.detach(), reference(function, x.detach(), dim), dtype)
    y.backward(dy)
    exact = x.detach().double().requires_grad_()
    reference(function, exact, dim).backward(dy.double())
    # The backward begins with a rounded y, and sums 1000 products.
    assert_near(x.grad, exact.grad, dtype, factor=8 if dtype in (torch.float32, torch.float64) else 40)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_takes_any_strides(ours, device, function):
    x = values(6, 8, 10, device=device)
    for view in (x.transpose(0, 2), x[:, 1:7, ::3], x[::2].permute(1, 2, 0), x[:1].expand(4, 8, 10), x[0], x[0].T):
        for dim in range(view.dim()):
            y = getattr(ours, function)(view, dim)
            assert y.is_contiguous()
            assert_near(y, reference(function, view, dim), torch.float64)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_takes_tensors_without_elements(ours, device, function):
    for shape, dim in (((0, 4), 1), ((3, 0), 1), ((0, 4), 0), ((2, 0, 3), 1)):
        x = torch.empty(shape, device=device, requires_grad=True)
        y = getattr(ours, function)(x, dim)
        assert y.shape == x.shape
        y.sum().backward()
        assert x.grad.shape == x.shape


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dim", [0, 1])
def test_does_with_nan_and_infinities_as_torch_does(ours, device, function, dim):
    x = values(6, 6, device=device)
    x[1, 2] = -torch.inf
    x[2] = -torch.inf
    x[3, 0] = torch.inf
    x[4, 5] = torch.nan
    y = getattr(ours, function)(x, dim)
    torch.testing.assert_close(y, getattr(torch, function)(x, dim), rtol=1e-14, atol=1e-14, equal_nan=True)


def test_casts_to_dtype_first(ours, device):
    x = values(4, 5, device=device, dtype=torch.float16).requires_grad_()
    y = ours.softmax(x, 1, dtype=torch.float32)
    assert_near(y.detach(), reference("softmax", x.detach(), 1), torch.float32)
    y.square().sum().backward()
    assert x.grad.dtype == torch.float16
    assert ours.log_softmax(torch.arange(3, device=device), 0, torch.float64).dtype == torch.float64


def test_refuses_in_one_line(ours, device):
    x = values(3, 4, device=device)
    with pytest.raises(IndexError, match=r"expected dim in \[-2, 1\], found 2"):
        ours.softmax(x, 2)
    with pytest.raises(ValueError, match="expected a tensor of float32, .* found torch.int64"):
        ours.log_softmax(torch.arange(3, device=device), 0)
    target = torch.zeros(3, dtype=torch.int64, device=device)
    with pytest.raises(ValueError, match="expected a target of class indices, found torch.float64"):
        ours.cross_entropy(x, x)
    with pytest.raises(ValueError, match="expected reduction none, sum or mean, found average"):
        ours.cross_entropy(x, target, reduction="average")
    with pytest.raises(ValueError, match=r"found \[3, 4\] and \[4\]"):
        ours.cross_entropy(x, torch.zeros(4, dtype=torch.int64, device=device))
    with pytest.raises(ValueError, match=r"expected weight of shape \[4\], found \[3\]"):
        ours.cross_entropy(x, target, torch.ones(3, device=device))
    with pytest.raises(ValueError, match="label_smoothing"):
        ours.cross_entropy(x, target, label_smoothing=1.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize(("weighted", "smoothing", "ignore_index"),
                         list(itertools.product([False, True], [0.0, 0.1], [-100, 3])))
def test_loss_matches_the_definition(ours, device, dtype, reduction, weighted, smoothing, ignore_index):
    x = values(20, 10, device=device, dtype=dtype).requires_grad_()
    target = torch.arange(20, device=device) % 10
    target[5] = ignore_index
    weight = values(10, device=device, dtype=dtype, seed=3).abs() if weighted else None
    dloss = values(*[20] if reduction == "none" else [], device=device, dtype=dtype, seed=4)
    options = (target, weight, ignore_index, reduction, smoothing)
    loss = ours.cross_entropy(x, *options)
    exact = x.detach().double().requires_grad_()
    expected = reference_loss(exact, *options)
    assert_near(loss.detach(), expected.detach(), dtype, factor=4)
    assert_near(ours.cross_entropy(x.detach(), *options), expected.detach(), dtype, factor=4)
    (loss * dloss).sum().backward()
    (expected * dloss.double()).sum().backward()
    # The weights' sum and the incoming gradient scale the error, of which each is at most some tens.
    assert_near(x.grad, exact.grad, dtype, factor=16)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("shape", [(7,), (5, 7), (3, 7, 4), (3, 7, 4, 2), (0, 7)])
def test_loss_takes_torchs_shapes(ours, device, shape, reduction):
    x = values(*shape, device=device).requires_grad_()
    class_dim = min(1, len(shape) - 1)
    target = values(*shape, device=device, seed=5).argmax(class_dim)
    weight = values(7, device=device, seed=6).abs()
    found = ours.cross_entropy(x, target, weight, 2, reduction, 0.1)
    dx, = torch.autograd.grad(found.sum(), x)
    expected = F.cross_entropy(x, target, weight, None, 2, None, reduction, 0.1)
    expected_dx, = torch.autograd.grad(expected.sum(), x)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13, equal_nan=True)
    torch.testing.assert_close(dx, expected_dx, rtol=1e-13, atol=1e-13, equal_nan=True)


def test_loss_of_masked_logits(ours, device):
    x = values(3, 5, device=device)
    x[0, 1] = x[1, 1] = -torch.inf
    x[2, 0] = torch.nan
    x.requires_grad_()
    target = torch.tensor([0, 1, 2], device=device)
    found = ours.cross_entropy(x, target, reduction="none")
    expected = F.cross_entropy(x, target, reduction="none")
    torch.testing.assert_close(found, expected, equal_nan=True)
    dx, = torch.autograd.grad(found[0], x)
    torch.testing.assert_close(dx[0], torch.autograd.grad(expected[0], x)[0][0])


def test_a_target_out_of_range(ours, device):
    x, target = values(3, 5, device=device), torch.tensor([0, 5, 2], device=device)
    if device == "cpu":
        with pytest.raises(ValueError, match=r"expected a target in \[0, 5\).*found 5 in row 1"):
            ours.cross_entropy(x, target)
    else:
        assert ours.cross_entropy(x, target, reduction="none").isnan().tolist() == [False, True, False]


def test_all_targets_ignored(ours, device):
    x = values(3, 5, device=device).requires_grad_()
    target = torch.full((3,), -100, device=device)
    assert ours.cross_entropy(x, target).isnan()
    loss = ours.cross_entropy(x, target, reduction="sum")
    loss.backward()
    assert loss == 0 and not x.grad.any()


def test_computes_no_gradient_where_none_is_asked(ours, device):
    x, target = values(3, 5, device=device), torch.tensor([0, 1, 2], device=device)
    assert not ours.cross_entropy(x, target).requires_grad
    with torch.no_grad():
        assert not ours.cross_entropy(x.requires_grad_(), target).requires_grad


@pytest.mark.parametrize("function", FUNCTIONS)
def test_passes_gradcheck(ours, device, function):
    for shape, dim in (((3, 4), 1), ((3, 4, 2), 1), ((5,), 0)):
        x = values(*shape, device=device).requires_grad_()
        call = lambda x: getattr(ours, function)(x, dim)  # noqa: E731
        assert torch.autograd.gradcheck(call, x)
        assert torch.autograd.gradgradcheck(call, x)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_loss_passes_gradcheck(ours, device, reduction):
    x, target = values(4, 5, device=device).requires_grad_(), torch.tensor([0, 4, -100, 2], device=device)
    weight = values(5, device=device, seed=2).abs()
    for options in ((target, weight, -100, reduction, 0.2), (target, None, -100, reduction)):
        assert torch.autograd.gradcheck(lambda x: ours.cross_entropy(x, *options), x)
        assert torch.autograd.gradgradcheck(lambda x: ours.cross_entropy(x, *options), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("enabled", [torch.float16, torch.bfloat16])
def test_autocast_computes_in_torchs_types(ours, device, dtype, enabled):
    x, target = values(3, 5, device=device, dtype=dtype).requires_grad_(), torch.tensor([0, 1, 2], device=device)
    with torch.autocast(device, dtype=enabled):
        for function in FUNCTIONS:
            y = getattr(ours, function)(x, 1)
            assert y.dtype == getattr(torch, function)(x, 1).dtype
            assert torch.autograd.grad(y.sum(), x)[0].dtype == dtype
        loss = ours.cross_entropy(x, target)
        assert loss.dtype == F.cross_entropy(x, target).dtype
        assert torch.autograd.grad(loss, x)[0].dtype == dtype


@needs_custom_ops
def test_passes_opcheck(device):
    y, dy = values(3, 4, 2, device=device), values(3, 4, 2, device=device, seed=2)
    for function in FUNCTIONS:
        for dim in (1, -1):
            torch.library.opcheck(getattr(torch.ops.softwarp, function), (y.clone().requires_grad_(), dim))
            torch.library.opcheck(getattr(torch.ops.softwarp, function), (y.transpose(0, 1), dim))
            torch.library.opcheck(getattr(torch.ops.softwarp, f"{function}_backward"),
                                  (y.clone().requires_grad_(), dy.clone().requires_grad_(), dim))
    x, target = values(4, 5, device=device), torch.tensor([0, 4, -100, 2], device=device)
    for reduction in ("none", "sum", "mean"):
        for weight in (None, values(5, device=device).abs()):
            torch.library.opcheck(torch.ops.softwarp.cross_entropy, (x, target, weight, -100, reduction, 0.1, False))
            torch.library.opcheck(torch.ops.softwarp.cross_entropy,
                                  (x.clone().requires_grad_(), target, weight, -100, reduction, 0.1, True))


@needs_custom_ops
def test_tracers_see_the_ops(device):
    x, target = values(4, 5, device=device), torch.arange(4, device=device)
    for function, op in ((lambda x: custom_ops.softmax(x, 1), torch.ops.softwarp.softmax),
                         (lambda x: custom_ops.log_softmax(x, 1), torch.ops.softwarp.log_softmax),
                         (lambda x: custom_ops.cross_entropy(x, target), torch.ops.softwarp.cross_entropy)):
        for traced in (make_fx(function)(x), torch.jit.trace(function, x)):
            if isinstance(traced, torch.fx.GraphModule):
                assert op.default in [node.target for node in traced.graph.nodes]
            other = values(4, 5, device=device, seed=2)
            torch.testing.assert_close(traced(other), function(other), rtol=0, atol=0)
        torch.testing.assert_close(torch.func.vmap(function, 1)(torch.stack([x, x + 1], 1)),
                                   torch.stack([function(x), function(x + 1)]))
    assert custom_ops.softmax(x.to("meta"), 1).is_meta


@needs_custom_ops
def test_refuses_what_custom_ops_cannot_do(device):
    x, target = values(4, 5, device=device), torch.arange(4, device=device)
    for function in (lambda x: custom_ops.softmax(x, 1), lambda x: custom_ops.cross_entropy(x, target)):
        with pytest.raises(NotImplementedError, match="expected a tensor without a tangent"):
            torch.func.jvp(function, (x,), (x,))
        with torch.autograd.forward_ad.dual_level():
            with pytest.raises(NotImplementedError, match="expected a tensor without a tangent"):
                function(torch.autograd.forward_ad.make_dual(x, x))
            function(x)
        with pytest.raises(RuntimeError, match="functorch"):
            torch.func.grad(lambda x: function(x).sum())(x)


def network(ours, x, target, weight):
    hidden = ours.softmax(x @ weight, dim=0) + ours.log_softmax(x @ weight, dim=-1)
    return ours.cross_entropy(hidden, target, label_smoothing=0.1)


@needs_custom_ops
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++")
def test_compiles_as_one_graph(device):
    weight = values(6, 7, device=device, dtype=torch.float32).requires_grad_()
    compiled = torch.compile(lambda *arguments: network(custom_ops, *arguments), fullgraph=True)
    for rows in (4, 9):  # the second makes the number of rows a symbol
        x = values(rows, 6, device=device, dtype=torch.float32)
        target = torch.arange(rows, device=device) % 7
        loss, expected = compiled(x, target, weight), network(torch_itself, x, target, weight)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(torch.autograd.grad(loss, weight), torch.autograd.grad(expected, weight))


class torch_itself:
    softmax, log_softmax, cross_entropy = torch.softmax, torch.log_softmax, F.cross_entropy


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        return custom_ops.softmax(values(300, 40, seed=i), 1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_works_in_workers_of_a_data_loader(method):
    custom_ops.softmax(values(3000, 400), 1)  # starts threads, which a fork does not copy
    loader = torch.utils.data.DataLoader(Rows(), batch_size=2, num_workers=2, multiprocessing_context=method)
    for i, batch in enumerate(loader):
        assert_near(batch, reference("softmax", torch.stack([values(300, 40, seed=2 * i + j) for j in (0, 1)]), 2),
                    torch.float64)


def test_softwarp_does_not_import_torch():
    subprocess.run([sys.executable, "-c", "import sys, softwarp; sys.exit('torch' in sys.modules)"], check=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_cuda_graph_replays_on_the_callers_stream():
    x, target = values(64, 100, device="cuda", dtype=torch.float32), torch.arange(64, device="cuda")
    x.requires_grad_()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.autograd.grad(custom_ops.cross_entropy(x, target), x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = custom_ops.cross_entropy(x, target)
        dx, = torch.autograd.grad(loss, x)
    with torch.no_grad():
        x.copy_(values(64, 100, device="cuda", dtype=torch.float32, seed=9))
    graph.replay()
    expected = F.cross_entropy(x, target)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(dx, torch.autograd.grad(expected, x)[0])
