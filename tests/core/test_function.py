"""Function, gradcheck and gradgradcheck: gradients of one's own, and the tools that check them."""

import gc
import weakref

import pytest

import sensorium as sn
from sensorium.autograd import Function, grad, gradcheck, gradgradcheck, once_differentiable
from sensorium.errors import AutogradError, DTypeError, ShapeError


def leaf(*values):
    return sn.tensor(list(values), dtype=sn.float64, requires_grad=True)


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class Exp(Function):
    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class SumAndProduct(Function):
    @staticmethod
    def forward(ctx, a, scale, b):
        ctx.save_for_backward(a, b)
        ctx.scale = scale
        return (a + b) * scale, a * b

    @staticmethod
    def backward(ctx, g_sum, g_product):
        a, b = ctx.saved_tensors
        return g_sum * ctx.scale + g_product * b, None, g_sum * ctx.scale + g_product * a


@pytest.mark.parametrize("function", [Cube.apply, Exp.apply])
def test_gradients_of_first_and_second_order(function):
    assert gradcheck(function, leaf(0.5, -1.0, 2.0))
    assert gradgradcheck(function, leaf(0.5, -1.0, 2.0))


def test_several_outputs_and_options():
    def function(a, b):
        return SumAndProduct.apply(a, 3.0, b)

    assert gradcheck(function, (leaf(1.0, 2.0), leaf(-1.0, 0.5)))
    assert gradgradcheck(function, (leaf(1.0, 2.0), leaf(-1.0, 0.5)))


def test_outputs_nobody_used_give_zeros_or_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append(b)
            return a * 2, None

    for materialize in (True, False):
        x = leaf(1.0)
        Two.apply(x, materialize)[0].backward()
        assert x.grad.tolist() == [2.0]
    assert seen[0].tolist() == [0.0] and seen[1] is None


def test_needs_input_grad_and_non_differentiable_outputs():
    class Split(Function):
        @staticmethod
        def forward(ctx, x, y):
            whole = x.floor()
            ctx.mark_non_differentiable(whole)
            return whole, x - whole + y

        @staticmethod
        def backward(ctx, g_whole, g):
            assert ctx.needs_input_grad == (True, False) and g_whole.tolist() == [0.0]
            return g, g

    x = leaf(1.5)
    whole, rest = Split.apply(x, sn.zeros(1, dtype=sn.float64))
    assert not whole.requires_grad and rest.requires_grad
    rest.backward()
    assert x.grad.tolist() == [1.0]


def test_a_returned_input_becomes_a_tensor_of_its_own():
    class Pass(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return -g

    x = leaf(1.0)
    y = Pass.apply(x)
    y.backward()
    assert y is not x and x.is_leaf and x.grad.tolist() == [-1.0]


def test_inputs_changed_in_place_continue_from_the_function():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(3.0)
    y = x * x
    assert Double.apply(y) is y
    y.backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(AutogradError, match=r"Double|mul_"):
        Double.apply(leaf(1.0))


def test_nothing_is_recorded_without_need():
    assert Cube.apply(sn.ones(1)).node is None
    with sn.no_grad():
        assert Cube.apply(leaf(1.0)).node is None


def test_saved_tensors_are_guarded():
    x = leaf(2.0)
    y = x * 1
    z = Cube.apply(y)
    y.add_(1)
    with pytest.raises(AutogradError, match="changed by an in-place operation"):
        z.backward()


def test_released_graphs_say_so():
    y = Cube.apply(leaf(2.0))
    y.backward()
    with pytest.raises(AutogradError, match="already used and released"):
        y.backward()


def test_saving_an_output_makes_no_cycle():
    y = Exp.apply(leaf(1.0))
    held = weakref.ref(y.node)
    gc.disable()
    try:
        del y
        assert held() is None
    finally:
        gc.enable()


def test_once_differentiable_refuses_the_second_time():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(3.0)
    Square.apply(x).backward()
    assert x.grad.tolist() == [6.0]
    (g,) = grad(Square.apply(x).sum(), x, create_graph=True)
    assert g.tolist() == [6.0]


class Wrong(Function):
    @staticmethod
    def forward(ctx, x, kind):
        ctx.kind = kind
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return {"few": g, "array": (g.array, None), "shape": (sn.ones(7), None)}[ctx.kind]


@pytest.mark.parametrize(
    "kind, error, text",
    [
        ("few", AutogradError, "Wrong.backward: returned 1 gradients for 2 arguments"),
        ("array", DTypeError, "Wrong.backward: gradient 0 must be a Tensor or None, got ndarray"),
        ("shape", ShapeError, r"Wrong.backward: gradient 0 has shape \(7,\), its argument \(2,\)"),
    ],
)
def test_wrong_gradients_are_named(kind, error, text):
    with pytest.raises(error, match=text):
        Wrong.apply(leaf(1.0, 2.0), kind).sum().backward()


def test_names_of_nodes_are_the_functions():
    assert repr(Cube.apply(leaf(1.0)).grad_fn) == "<CubeBackward0>"


# -- gradcheck -----------------------------------------------------------------------------------
def test_gradcheck_notices_a_wrong_gradient():
    class Off(Cube):
        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] ** 2 * g

    with pytest.raises(AutogradError, match=r"gradcheck: the gradient of output 0 by input 0 is"):
        gradcheck(Off.apply, leaf(1.0, 2.0))
    assert not gradcheck(Off.apply, leaf(1.0, 2.0), raise_exception=False)


def test_gradgradcheck_notices_a_wrong_second_gradient():
    class Off(Cube):
        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0].detach() ** 2 * g

    assert gradcheck(Off.apply, leaf(1.0, 2.0))
    assert not gradgradcheck(Off.apply, leaf(1.0, 2.0), raise_exception=False)


def test_gradcheck_of_complex_functions():
    z = sn.tensor([1 + 2j, 0.5 - 1j], dtype=sn.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z.conj() + z, z)
    assert gradcheck(lambda z: z.abs(), z)
    assert gradgradcheck(lambda z: (z * z).real, z)


def test_gradcheck_wants_something_to_check():
    with pytest.raises(AutogradError, match="no input requires a gradient"):
        gradcheck(lambda x: x, sn.ones(1))


# -- what a Function may and must do ----------------------------------------------------------------
def test_dirty_inputs_must_be_returned():
    class Forgetful(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.mul_(2)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(AutogradError, match="1 of the 1 inputs marked dirty are not among the 1"):
        Forgetful.apply(leaf(1.0) * 1)


def test_once_differentiable_is_an_error_the_second_time():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x, w = leaf(3.0), leaf(2.0)
    (g,) = grad((Square.apply(x) * w).sum(), x, create_graph=True)
    assert g.requires_grad
    with pytest.raises(AutogradError, match="cannot be differentiated again"):
        grad(g.sum(), w)


# -- against PyTorch -----------------------------------------------------------------------------
def functions(lib):
    """Functions that use what a context offers, in either library."""
    said = []

    class Many(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, n):
            ctx.save_for_backward(x, y)
            ctx.n = n
            whole = x.round()
            ctx.mark_non_differentiable(whole)
            return x * y * n, x + y, whole

        @staticmethod
        def backward(ctx, a, b, c):
            x, y = ctx.saved_tensors
            said.append((ctx.needs_input_grad, [v if v is None else v.tolist() for v in (a, b, c)]))
            return a * y * ctx.n + b, a * x * ctx.n + b, None

    class Lean(lib.autograd.Function):
        @staticmethod
        def forward(x, y):
            return x.exp() * y, y * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(inputs[1], output[0])

        @staticmethod
        def backward(ctx, a, b):
            y, out = ctx.saved_tensors
            said.append((ctx.needs_input_grad, a is None, b is None))
            of_y = None if a is None else a * out / y
            return (None if a is None else a * out), b * 2 if of_y is None else of_y

    class Twice(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    return Many, Lean, Twice, said


CONTEXTS = {
    "all outputs": lambda L, F, x, y: sum(o.sum() for o in F[0].apply(x, y, 3)),
    "one output": lambda L, F, x, y: F[0].apply(x, y, 3)[1].sum(),
    "one input": lambda L, F, x, y: F[0].apply(x, y.detach(), 3)[0].sum() + 0 * y.sum(),
    "lean first": lambda L, F, x, y: F[1].apply(x, y)[0].sum(),
    "lean second": lambda L, F, x, y: F[1].apply(x, y)[1].sum() + 0 * x.sum(),
    "dirty": lambda L, F, x, y: (F[2].apply(x * y) * x).sum(),
    "under others": lambda L, F, x, y: F[1].apply(F[0].apply(x, y, 2)[0].sin(), y)[0].sum(),
}


@pytest.mark.peer
@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts_equal_torch(name):
    torch = pytest.importorskip("torch")
    found = []
    for lib in (sn, torch):
        made = functions(lib)
        x, y = (
            lib.tensor(v, dtype=lib.float64, requires_grad=True) for v in ([0.4, 1.2], [2.0, -0.5])
        )
        total = CONTEXTS[name](lib, made, x, y)
        firsts = lib.autograd.grad(total, [x, y], create_graph=True)
        seconds = lib.autograd.grad(
            sum((g * g).sum() for g in firsts if g.requires_grad) + 0 * (x.sum() + y.sum()), [x, y]
        )
        found.append(([g.tolist() for g in (*firsts, *seconds)], made[3]))
    (ours, ours_said), (theirs, theirs_said) = found
    assert ours_said[:1] == theirs_said[:1]
    for a, b in zip(ours, theirs):
        assert a == pytest.approx(b, rel=1e-12)
