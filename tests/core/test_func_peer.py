"""func and autograd.functional against PyTorch: values, structures, nesting, what is recorded, errors."""

import numpy as np
import pytest

import sensorium as sn

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def plain(tree):
    """Tensors of either library as arrays, with whether they are recorded."""
    if isinstance(tree, (tuple, list)):
        return [plain(t) for t in tree]
    if isinstance(tree, dict):
        return {k: plain(v) for k, v in tree.items()}
    if hasattr(tree, "requires_grad"):
        return np.array(tree.detach().numpy()), tree.requires_grad
    return tree


def same(found, wanted, path="result"):
    assert type(found) is type(wanted), path
    if isinstance(found, dict):
        assert list(found) == list(wanted), path
        for key in found:
            same(found[key], wanted[key], f"{path}[{key!r}]")
    elif isinstance(found, (list, tuple)):
        assert len(found) == len(wanted), path
        for i, (a, b) in enumerate(zip(found, wanted)):
            same(a, b, f"{path}[{i}]")
    elif isinstance(found, np.ndarray):
        assert found.shape == wanted.shape and found.dtype == wanted.dtype, path
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12, err_msg=path)
    else:
        assert found == wanted, path


def values(shape, seed):
    return np.random.default_rng(seed).uniform(0.3, 1.7, shape)


def compare(torch, case):
    """case(library, make) in both; make(shape, seed, grad) makes the same tensor in either."""
    found = []
    for lib in (sn, torch):

        def make(*shape, seed=0, grad=False, lib=lib):
            return lib.tensor(values(shape, seed), requires_grad=grad)

        found.append(plain(case(lib, make)))
    same(*found)


# -- autograd.functional -------------------------------------------------------------------------
def cubic(lib):
    return lambda x, y: ((x**3 * y.sum()).sum(), (x[:2] * y).sin())


def value(lib):
    return lambda x, y: (x**3).sum() * y.prod() + (x[:2] * y).exp().sum()


def F(lib):
    return lib.autograd.functional


def batched(L, x, y):
    out = [x**2, x[:2] * y]
    starts = [L.eye(3, dtype=L.float64), L.ones(3, 2, dtype=L.float64)]
    return L.autograd.grad(out, [x, y], starts, is_grads_batched=True)


VW = {"create_graph": True}
FUNCTIONAL = {
    "vjp": lambda L, m: F(L).vjp(cubic(L), (m(3), m(2, seed=1)), (m(seed=2), m(2, seed=3))),
    "vjp one": lambda L, m: F(L).vjp(lambda x: x.sin().sum(), m(3)),
    "vjp recorded": lambda L, m: F(L).vjp(
        cubic(L), (m(3, grad=True), m(2, seed=1)), (m(seed=2), m(2, seed=3)), **VW
    ),
    "jvp": lambda L, m: F(L).jvp(cubic(L), (m(3), m(2, seed=1)), (m(3, seed=2), m(2, seed=3))),
    "jvp recorded": lambda L, m: F(L).jvp(
        cubic(L), (m(3, grad=True), m(2, seed=1)), (m(3, seed=2), m(2, seed=3, grad=True)), **VW
    ),
    "jvp one": lambda L, m: F(L).jvp(lambda x: x * L.arange(3.0), m(1)),
    "vhp": lambda L, m: F(L).vhp(value(L), (m(3), m(2, seed=1)), (m(3, seed=2), m(2, seed=3))),
    "hvp": lambda L, m: F(L).hvp(value(L), (m(3), m(2, seed=1)), (m(3, seed=2), m(2, seed=3))),
    "hvp recorded": lambda L, m: F(L).hvp(
        value(L), (m(3, grad=True), m(2, seed=1)), (m(3, seed=2), m(2, seed=3)), **VW
    ),
    "jacobian": lambda L, m: F(L).jacobian(cubic(L), (m(3), m(2, seed=1))),
    "jacobian recorded": lambda L, m: F(L).jacobian(cubic(L), (m(3, grad=True), m(2)), **VW),
    "jacobian of a matrix": lambda L, m: F(L).jacobian(lambda x: x @ x, m(2, 2)),
    "jacobian of a constant": lambda L, m: F(L).jacobian(lambda x: m(2), m(3)),
    "vectorized": lambda L, m: F(L).jacobian(lambda x: x**2, m(3), vectorize=True),
    "forward": lambda L, m: F(L).jacobian(
        lambda x: x**2, m(3), vectorize=True, strategy="forward-mode"
    ),
    "hessian": lambda L, m: F(L).hessian(value(L), (m(3), m(2, seed=1))),
    "hessian recorded": lambda L, m: F(L).hessian(value(L), (m(3, grad=True), m(2)), **VW),
    "hessian of one": lambda L, m: F(L).hessian(lambda x: (x**3).sum(), m(2)),
    "hessian of a linear function": lambda L, m: F(L).hessian(lambda x: x.sum(), m(2)),
    "strict": lambda L, m: F(L).jacobian(lambda x: x**2, m(3), strict=True),
    "batched starts": lambda L, m: batched(L, m(3, grad=True), m(2, grad=True)),
    "under no_grad": lambda L, m: L.no_grad()(F(L).jacobian)(lambda x: x**2, m(3)),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
@pytest.mark.filterwarnings("ignore")
def test_functional(torch, name):
    compare(torch, FUNCTIONAL[name])


FUNCTIONAL_ERRORS = {
    "v missing": lambda L, m: F(L).vjp(lambda x: x * 2, m(3)),
    "v of another shape": lambda L, m: F(L).vjp(lambda x: x * 2, m(3), m(2)),
    "v too many": lambda L, m: F(L).jvp(lambda x: x * 2, m(3), (m(3), m(3))),
    "no tensors": lambda L, m: F(L).jacobian(lambda x: x * 2, 1.0),
    "no tensors out": lambda L, m: F(L).jacobian(lambda x: 1.0, m(3)),
    "hessian of many": lambda L, m: F(L).hessian(lambda x: x * 2, m(3)),
    "vhp of a tuple": lambda L, m: F(L).vhp(lambda x: (x.sum(), x.sum()), m(3), m(3)),
    "strict constant": lambda L, m: F(L).vjp(lambda x: m(1), m(1), strict=True),
    "strict detached": lambda L, m: F(L).jvp(lambda x: x.detach(), m(1), strict=True),
    "strict unused": lambda L, m: F(L).jacobian(lambda x, y: x * 2, (m(2), m(2)), strict=True),
    "strict linear": lambda L, m: F(L).hessian(lambda x: x.sum(), m(2), strict=True),
    "strict vectorized": lambda L, m: F(L).jacobian(lambda x: x, m(2), strict=True, vectorize=True),
}


@pytest.mark.parametrize("name", FUNCTIONAL_ERRORS)
def test_functional_errors(torch, name):
    refused(torch, FUNCTIONAL_ERRORS[name])


def refused(torch, case):
    """Both libraries raise, ours something that a handler of PyTorch's catches."""
    raised = []
    for lib in (torch, sn):
        try:
            case(lib, lambda *shape, seed=0, grad=False, lib=lib: lib.tensor(values(shape, seed)))
        except Exception as error:  # noqa: BLE001  (which one is the question)
            raised.append(error)
        else:
            pytest.fail(f"{lib.__name__} raised nothing")
    theirs, ours = raised
    assert isinstance(ours, sn.errors.SensoriumError), repr(ours)
    family = AssertionError if isinstance(theirs, AssertionError) else type(theirs)
    assert isinstance(ours, family) or family is AssertionError, (theirs, ours)


# -- func ----------------------------------------------------------------------------------------
def with_aux(x):
    return (x**3).sum(), {"double": x * 2}


def tree(t):
    return {"a": (t["x"] ** 2 * t["y"]).sum(), "b": [t["x"].sin()]}


def later(pair, *args):
    return pair[0], pair[1](*args)


def params(L, m):
    return {"x": m(2), "y": m(seed=1)}


FUNC = {
    "grad": lambda L, m: L.func.grad(lambda x: (x**3).sum())(m(3)),
    "grad of grad": lambda L, m: L.func.grad(L.func.grad(lambda x: x**3))(m()),
    "third": lambda L, m: L.func.grad(L.func.grad(L.func.grad(lambda x: x.sin())))(m()),
    "argnums": lambda L, m: L.func.grad(lambda x, y: (x * y).sum(), (1, 0))(m(3), m(3, seed=1)),
    "one argnum in a tuple": lambda L, m: L.func.grad(lambda x, y: (x * y).sum(), (1,))(m(3), m(3)),
    "negative argnum": lambda L, m: L.func.grad(lambda x, y: (x * y).sum(), -1)(m(3), m(3, seed=1)),
    "grad of trees": lambda L, m: L.func.grad(lambda t: tree(t)["a"])(params(L, m)),
    "aux": lambda L, m: L.func.grad(with_aux, has_aux=True)(m(3)),
    "grad and value": lambda L, m: L.func.grad_and_value(lambda x: (x**3).sum())(m(3)),
    "grad, value and aux": lambda L, m: L.func.grad_and_value(with_aux, has_aux=True)(m(3)),
    "recorded": lambda L, m: L.func.grad(lambda x: (x**3).sum())(m(3, grad=True)),
    "of a captured leaf": lambda L, m: times(L, m(3, grad=True), m(3)),
    "square of a captured leaf": lambda L, m: captured(L, m(grad=True), m(seed=1)),
    "no confusion": lambda L, m: L.func.grad(lambda x: x * L.func.grad(lambda y: x * y)(m(seed=1)))(
        m()
    ),
    "confusion of the same": lambda L, m: L.func.grad(
        lambda x: x * L.func.grad(lambda y: (x + y) ** 2)(x)
    )(m()),
    "under no_grad": lambda L, m: L.no_grad()(L.func.grad(lambda x: x**3))(m(grad=True)),
    "no_grad inside": lambda L, m: L.func.grad(lambda x: x * detached(L, x))(m()),
    "independent": lambda L, m: L.func.grad(lambda x: m(seed=3, grad=True) * 1)(m()),
    "vjp": lambda L, m: later(L.func.vjp(lambda x: x.sin(), m(3)), m(3, seed=1)),
    "vjp of two": lambda L, m: later(
        L.func.vjp(lambda x, y: (x * y, x), m(3), m(3, seed=1)), (m(3, seed=2), m(3, seed=3))
    ),
    "vjp of trees": lambda L, m: later(
        L.func.vjp(tree, params(L, m)), {"a": m(seed=4), "b": [m(2, seed=5)]}
    ),
    "vjp twice": lambda L, m: twice(L.func.vjp(lambda x: x.sin(), m(3)), m(3, seed=1)),
    "vjp aux": lambda L, m: L.func.vjp(lambda x: (x**2, x * 2), m(3), has_aux=True)[::2],
    "vjp recorded": lambda L, m: later(
        L.func.vjp(lambda x: x.sin(), m(3, grad=True)), m(3, seed=1)
    ),
    "jvp": lambda L, m: L.func.jvp(lambda x: x.sin(), (m(3),), (m(3, seed=1),)),
    "jvp of two": lambda L, m: L.func.jvp(
        lambda x, y: (x * y, y.exp()), (m(3), m(3, seed=1)), (m(3, seed=2), m(3, seed=3))
    ),
    "jvp of trees": lambda L, m: L.func.jvp(
        tree, (params(L, m),), ({"x": m(2, seed=7), "y": m(seed=8)},)
    ),
    "jvp aux": lambda L, m: L.func.jvp(
        lambda x: (x**2, x * 2), (m(3),), (m(3, seed=1),), has_aux=True
    ),
    "jvp of jvp": lambda L, m: L.func.jvp(
        lambda x: L.func.jvp(lambda y: y**3, (x,), (m(seed=1),))[1], (m(),), (m(seed=2),)
    ),
    "jvp of grad": lambda L, m: L.func.jvp(
        L.func.grad(lambda x: (x**3).sum()), (m(3),), (m(3, seed=1),)
    ),
    "grad of jvp": lambda L, m: L.func.grad(
        lambda x: L.func.jvp(lambda y: y**3, (x,), (m(3, seed=1),))[1].sum()
    )(m(3)),
    "jvp independent": lambda L, m: L.func.jvp(lambda x: m(3), (m(2),), (m(2),)),
    "linearize": lambda L, m: later(L.func.linearize(lambda x: x.sin(), m(3)), m(3, seed=1)),
    "jacrev": lambda L, m: L.func.jacrev(lambda x: x @ x)(m(2, 2)),
    "jacfwd": lambda L, m: L.func.jacfwd(lambda x: x @ x)(m(2, 2)),
    "jacrev of trees": lambda L, m: L.func.jacrev(tree)(params(L, m)),
    "jacfwd of trees": lambda L, m: L.func.jacfwd(tree)(params(L, m)),
    "jacrev argnums": lambda L, m: L.func.jacrev(lambda x, y: x[:, None] * y, (0, 1))(m(2), m(3)),
    "jacfwd argnums": lambda L, m: L.func.jacfwd(lambda x, y: x[:, None] * y, (0, 1))(m(2), m(3)),
    "jacrev aux": lambda L, m: L.func.jacrev(lambda x: (x**2, x), has_aux=True)(m(2)),
    "jacfwd aux": lambda L, m: L.func.jacfwd(lambda x: (x**2, x), has_aux=True)(m(2)),
    "jacrev of two outputs": lambda L, m: L.func.jacrev(lambda x: (x**2, x.sum()))(m(2)),
    "jacrev chunked": lambda L, m: L.func.jacrev(lambda x: x**2, chunk_size=1)(m(3)),
    "jacrev of jacrev": lambda L, m: L.func.jacrev(L.func.jacrev(lambda x: (x**3).sum()))(m(2)),
    "hessian": lambda L, m: L.func.hessian(lambda x: (x**3).sum() * x.prod())(m(3)),
    "hessian argnums": lambda L, m: L.func.hessian(lambda x, y: (x * y**2).sum(), (0, 1))(
        m(2), m(2)
    ),
    "vmap": lambda L, m: L.vmap(lambda x: x.sin().sum())(m(4, 3)),
    "vmap dims": lambda L, m: L.func.vmap(lambda x, y: x * y, (1, None), 1)(m(3, 4), m(3, seed=1)),
    "vmap negative dims": lambda L, m: L.vmap(lambda x: x * 2, -1, -1)(m(3, 4)),
    "vmap trees": lambda L, m: L.vmap(
        lambda t, s: {"y": t["x"] * t["z"] + s}, ({"x": 0, "z": None}, 1), {"y": 1}
    )({"x": m(4, 3), "z": m(3, seed=1)}, m(3, 4, seed=2)),
    "vmap prefix": lambda L, m: L.vmap(lambda t: (t[0] * 2, t[1]), (0,), (0, 1))(
        (m(4, 3), m(4, 2))
    ),
    "vmap one in a tuple": lambda L, m: L.vmap(lambda x: x * 2, out_dims=(1,))(m(4, 3)),
    "vmap of vmap": lambda L, m: L.vmap(L.vmap(lambda x, y: x @ y, (None, 0)), (0, None))(
        m(3, 2), m(4, 2, seed=1)
    ),
    "vmap constant": lambda L, m: L.vmap(lambda x: m(2))(m(4)),
    "vmap out None": lambda L, m: L.vmap(lambda x: (x, m(2), 3), out_dims=(0, None, None))(m(4)),
    "vmap of nothing": lambda L, m: L.vmap(lambda x: x * 2)(m(0, 3)),
    "vmap chunked": lambda L, m: L.vmap(lambda x: x.sum(), chunk_size=2)(m(5, 3)),
    "vmap recorded": lambda L, m: L.vmap(lambda x: x.exp())(m(4, 3, grad=True)),
    "gradients of samples": lambda L, m: L.vmap(
        L.func.grad(lambda w, x: ((w * x).sum() - 1) ** 2), (None, 0)
    )(m(3), m(5, 3, seed=1)),
    "grad of vmap": lambda L, m: L.func.grad(lambda x: L.vmap(lambda r: r.prod())(x).sum())(
        m(3, 2)
    ),
    "jacrev of vmap": lambda L, m: L.func.jacrev(L.vmap(lambda r: r.prod()))(m(3, 2)),
    "vmap of jacrev": lambda L, m: L.vmap(L.func.jacrev(lambda r: r**2))(m(3, 2)),
    "vmap of hessian": lambda L, m: L.vmap(L.func.hessian(lambda r: r.prod()))(m(3, 2)),
    "vmap keywords": lambda L, m: L.vmap(lambda x, *, y: x + y)(m(4), y=m(seed=1)),
}


def captured(L, w, x):
    y = L.func.grad(lambda x: (w * x) ** 2)(x)
    return y, L.autograd.grad(y, w)


def times(L, w, x):
    return L.func.grad(lambda x: (x * w).sum())(x)


def detached(L, x):
    with L.no_grad():
        return x**2


def twice(pair, v):
    return pair[1](v), pair[1](v * 2)


@pytest.mark.parametrize("name", FUNC)
@pytest.mark.filterwarnings("ignore")
def test_func(torch, name):
    compare(torch, FUNC[name])


FUNC_ERRORS = {
    "grad of a vector": lambda L, m: L.func.grad(lambda x: x * 2)(m(3)),
    "grad of a number": lambda L, m: L.func.grad(lambda x: 1.0)(m(3)),
    "grad by a number": lambda L, m: L.func.grad(lambda x: x * 2)(1.0),
    "argnum": lambda L, m: L.func.grad(lambda x: x * 2, 1)(m()),
    "argnum twice": lambda L, m: L.func.grad(lambda x: x * 2, (0, 0))(m()),
    "aux": lambda L, m: L.func.grad(lambda x: x * 2, has_aux=True)(m()),
    "cotangent shape": lambda L, m: L.func.vjp(lambda x: x, m(3))[1](m(2)),
    "cotangent structure": lambda L, m: L.func.vjp(lambda x: (x, x), m(3))[1](m(3)),
    "vjp output": lambda L, m: L.func.vjp(lambda x: 3, m(3)),
    "jvp primals": lambda L, m: L.func.jvp(lambda x: x, m(3), m(3)),
    "jvp tangents": lambda L, m: L.func.jvp(lambda x: x, (m(3),), (m(2),)),
    "jvp lengths": lambda L, m: L.func.jvp(lambda x: x, (m(3),), (m(3), m(3))),
    "jvp strict": lambda L, m: L.func.jvp(lambda x: m(3), (m(2),), (m(2),), strict=True),
    "jacrev output": lambda L, m: L.func.jacrev(lambda x: 3)(m(3)),
    "jacrev chunk": lambda L, m: L.func.jacrev(lambda x: x, chunk_size=0)(m(3)),
    "vmap in_dims": lambda L, m: L.vmap(lambda x: x, "0")(m(3)),
    "vmap in_dims length": lambda L, m: L.vmap(lambda x: x, (0, 0))(m(3)),
    "vmap no arguments": lambda L, m: L.vmap(lambda: m(3))(),
    "vmap nothing mapped": lambda L, m: L.vmap(lambda x: x, (None,))(m(3)),
    "vmap sizes": lambda L, m: L.vmap(lambda x, y: x)(m(3), m(4)),
    "vmap no tensor": lambda L, m: L.vmap(lambda x, y: x)(m(3), 4),
    "vmap dim": lambda L, m: L.vmap(lambda x: x, 1)(m(3)),
    "vmap float dim": lambda L, m: L.vmap(lambda x: x, (0.5,))(m(3)),
    "vmap output": lambda L, m: L.vmap(lambda x: 3)(m(3)),
    "vmap out_dims": lambda L, m: L.vmap(lambda x: (x, x), out_dims=(0, 0, 0))(m(3)),
    "vmap out_dim": lambda L, m: L.vmap(lambda x: x, out_dims=2)(m(3)),
    "vmap out float": lambda L, m: L.vmap(lambda x: x, out_dims=0.5)(m(3)),
    "vmap batched None": lambda L, m: L.vmap(lambda x: x, out_dims=None)(m(3)),
    "vmap chunk": lambda L, m: L.vmap(lambda x: x, chunk_size=0)(m(3)),
    "vmap randomness": lambda L, m: L.vmap(lambda x: x, randomness="any")(m(3)),
    "vmap random": lambda L, m: L.vmap(lambda x: x + L.rand(()))(m(3)),
}


@pytest.mark.parametrize("name", FUNC_ERRORS)
@pytest.mark.filterwarnings("ignore")
def test_func_errors(torch, name):
    refused(torch, FUNC_ERRORS[name])


# -- modules -------------------------------------------------------------------------------------
def pair(torch):
    layers = []
    for lib in (sn, torch):
        net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 1)).double()
        with lib.no_grad():
            for i, p in enumerate(net.parameters()):
                p.copy_(lib.tensor(values(tuple(p.shape), i)))
        layers.append(net)
    return layers


def test_gradients_of_samples_of_a_module(torch):
    found = []
    for lib, net in zip((sn, torch), pair(torch)):
        state = {k: v.detach() for k, v in net.named_parameters()}

        def loss(state, x, y, lib=lib, net=net):
            return ((lib.func.functional_call(net, state, (x,)) - y) ** 2).sum()

        gradient = lib.vmap(lib.func.grad(loss), (None, 0, 0))
        x, y = lib.tensor(values((5, 3), 7)), lib.tensor(values((5, 1), 8))
        found.append(plain(gradient(state, x, y)))
    same(*found)


def test_ensembles(torch):
    found = []
    for lib in (sn, torch):
        nets = [lib.nn.Linear(3, 2).double() for _ in range(4)]
        with lib.no_grad():
            for k, net in enumerate(nets):
                for i, p in enumerate(net.parameters()):
                    p.copy_(lib.tensor(values(tuple(p.shape), 10 * k + i)))
        state, buffers = lib.func.stack_module_state(nets)
        base = nets[0]

        def call(state, x, lib=lib, base=base):
            return lib.func.functional_call(base, state, (x,))

        x = lib.tensor(values((5, 3), 7))
        found.append(plain((state, buffers, lib.vmap(call, (0, None))(state, x))))
    same(*found)
