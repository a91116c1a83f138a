"""func and autograd.functional on closed forms, and what PyTorch cannot be asked."""

import numpy as np
import pytest

import sensorium as sn
from sensorium import func, nn
from sensorium.autograd import functional
from sensorium.errors import AutogradError, OpError, OptionError, StateDictError

A = np.random.default_rng(0).normal(size=(3, 3))


def vector(*values):
    return sn.tensor(list(values), dtype=sn.float64)


def quadratic(x):
    """x^T A x: gradient (A + A^T) x, Hessian A + A^T."""
    return x @ (sn.tensor(A) @ x)


X = vector(0.5, -1.0, 2.0)


@pytest.mark.parametrize(
    "hessian", [func.hessian(quadratic), lambda x: functional.hessian(quadratic, x)]
)
def test_hessian_of_a_quadratic_form(hessian):
    np.testing.assert_allclose(hessian(X).array, A + A.T, rtol=1e-13)


@pytest.mark.parametrize("jacobian", [func.jacrev, func.jacfwd])
def test_jacobian_of_a_linear_map_is_its_matrix(jacobian):
    found = jacobian(lambda x: sn.tensor(A) @ x)(X)
    np.testing.assert_allclose(found.array, A, rtol=1e-13)
    assert not found.requires_grad


def test_products_are_those_of_the_matrix():
    v = vector(1.0, 2.0, 3.0)
    for product in (functional.vhp, functional.hvp):
        np.testing.assert_allclose(product(quadratic, X, v)[1].array, (A + A.T) @ v.array)
    linear, (pulled,) = (
        func.vjp(lambda x: sn.tensor(A) @ x, X)[0],
        func.vjp(lambda x: sn.tensor(A) @ x, X)[1](v),
    )
    np.testing.assert_allclose(linear.array, A @ X.array)
    np.testing.assert_allclose(pulled.array, v.array @ A)
    _, push = func.linearize(lambda x: sn.tensor(A) @ x, X)
    np.testing.assert_allclose(push(v).array, A @ v.array)


def test_derivatives_of_any_order():
    f, wanted = sn.sin, [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)]
    x = sn.tensor(0.7, dtype=sn.float64)
    for order in range(4):
        assert f(x).item() == pytest.approx(wanted[order](0.7), rel=1e-12)
        f = func.grad(f)


def test_forward_and_reverse_agree_on_what_is_not_symmetric():
    def f(x):
        return sn.stack([x[0] * x[1], x[1].exp(), x[2].sin() * x[0]])

    np.testing.assert_allclose(func.jacrev(f)(X).array, func.jacfwd(f)(X).array, rtol=1e-13)


def test_what_is_captured_gets_its_gradient():
    w = sn.tensor(3.0, dtype=sn.float64, requires_grad=True)
    y = func.grad(lambda x: w * w * x**3)(sn.tensor(2.0, dtype=sn.float64))
    assert y.requires_grad
    y.backward()
    assert w.grad.item() == 2 * 3 * 3 * 4


def test_leaves_keep_no_gradient_of_a_transform():
    x = vector(1.0, 2.0).requires_grad_()
    g = func.grad(lambda x: (x**2).sum())(x)
    assert x.grad is None and g.requires_grad
    g.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_vmap_equals_the_loop_and_lets_branches_differ():
    x = sn.tensor(A)
    found = sn.vmap(lambda r: r.sum() if r[0] > 0 else r.prod())(x)
    wanted = [r.sum() if r[0] > 0 else r.prod() for r in A]
    np.testing.assert_allclose(found.array, wanted)


def test_randomness_of_vmap():
    x = sn.zeros(4)

    def draw(randomness):
        sn.manual_seed(1)
        return sn.vmap(lambda v: v + sn.rand(()), randomness=randomness)(x).tolist()

    assert len(set(draw("same"))) == 1 and len(set(draw("different"))) == 4
    sn.manual_seed(1)
    before = sn.get_rng_state().tolist()
    with pytest.raises(OpError, match="drew random numbers and randomness is 'error'"):
        sn.vmap(lambda v: v + sn.rand(()))(x)
    assert sn.get_rng_state().tolist() == before, "a refused call leaves the stream alone"


def test_results_of_different_calls_must_fit():
    with pytest.raises(OptionError, match=r"different shapes: \[\(1,\), \(2,\)\]"):
        sn.vmap(lambda v: sn.ones(int(v)))(sn.tensor([1, 2]))
    with pytest.raises(OptionError, match=r"returned \*, another tuple\(\*, \*\)"):
        sn.vmap(lambda v: v if v > 1 else (v, v))(sn.tensor([2, 1]))


# -- modules -------------------------------------------------------------------------------------
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False)
        self.b = nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x, times=1):
        return self.b(self.a(x)) * times


def test_functional_call_leaves_the_module_alone():
    net, x = nn.Linear(2, 1), sn.ones(1, 2)
    before = {k: (id(v), v.tolist()) for k, v in net.state_dict().items()}
    parameter = net.weight
    y = func.functional_call(net, {"weight": sn.ones(1, 2) * 5, "bias": sn.zeros(1)}, x)
    assert y.tolist() == [[10.0]] and net.weight is parameter
    assert {k: v.tolist() for k, v in net.state_dict().items()} == {
        k: v for k, (_, v) in before.items()
    }
    with pytest.raises(ValueError, match=r"linear|matmul"):
        func.functional_call(net, {"weight": sn.ones(1, 2), "bias": sn.zeros(1)}, sn.ones(1, 7))
    assert net.weight is parameter


def test_shared_parameters_are_replaced_together():
    net, eye = Tied(), sn.eye(2)
    assert func.functional_call(net, {"a.weight": eye * 2}, sn.ones(1, 2)).tolist() == [[4.0, 4.0]]
    found = func.functional_call(
        net, {"a.weight": eye * 2, "b.weight": eye * 3}, (sn.ones(1, 2),), tie_weights=False
    )
    assert found.tolist() == [[6.0, 6.0]]
    with pytest.raises(OptionError, match=r"a.weight and b.weight are one parameter, but got 2"):
        func.functional_call(net, {"a.weight": eye, "b.weight": eye * 3}, sn.ones(1, 2))


def test_arguments_and_several_dicts():
    net, eye = Tied(), sn.eye(2)
    found = func.functional_call(net, ({"a.weight": eye}, {}), sn.ones(1, 2), {"times": 7})
    assert found.tolist() == [[7.0, 7.0]]
    with pytest.raises(OptionError, match=r"'a.weight' is in more than one dict"):
        func.functional_call(net, ({"a.weight": eye}, {"a.weight": eye}), sn.ones(1, 2))


def test_names_must_be_the_modules():
    net = nn.Linear(2, 1)
    with pytest.raises(StateDictError, match="Linear has no parameter or buffer 'weigth'"):
        func.functional_call(net, {"weigth": sn.ones(1, 2)}, sn.ones(1, 2))
    with pytest.raises(StateDictError, match=r"\['bias'\] are missing and \['c'\] are not"):
        func.functional_call(
            net, {"weight": sn.ones(1, 2), "c": sn.ones(1)}, sn.ones(1, 2), strict=True
        )


def test_buffers_that_change_are_handed_back():
    net = nn.BatchNorm1d(2).train()
    buffers = {k: v.clone() for k, v in net.named_buffers()}
    kept = net.running_mean.tolist()
    func.functional_call(net, (dict(net.named_parameters()), buffers), sn.randn(8, 2) + 5)
    assert net.running_mean.tolist() == kept
    assert buffers["running_mean"].tolist() != kept and buffers["num_batches_tracked"].item() == 1


def test_stacked_models_are_leaves_of_their_own():
    nets = [nn.Linear(2, 3) for _ in range(4)]
    parameters, buffers = func.stack_module_state(nets)
    assert parameters["weight"].shape == (4, 3, 2) and not buffers
    assert all(p.is_leaf and p.requires_grad for p in parameters.values())
    x = sn.ones(5, 2)
    found = sn.vmap(lambda p: func.functional_call(nets[0], p, x))(parameters)
    np.testing.assert_allclose(found.detach().array, [n(x).detach().array for n in nets], rtol=1e-6)
    nets[1].eval()
    for models, text in [([], "got 0"), (nets, "in one mode"), ([nets[0], Tied()], "one class")]:
        with pytest.raises(AutogradError, match=text):
            func.stack_module_state(models)
