"""no_grad, enable_grad, set_grad_enabled, inference_mode: nesting, decorating, threads."""

import threading

import pytest

import sensorium as sn


def leaf(*values):
    return sn.tensor(list(values), dtype=sn.float64, requires_grad=True)


def test_modes_nest():
    x = leaf(1.0)
    with sn.no_grad():
        assert not (x * 2).requires_grad
        with sn.enable_grad():
            assert (x * 2).requires_grad
        with sn.set_grad_enabled(True):
            assert sn.is_grad_enabled()
        assert not sn.is_grad_enabled()
    assert sn.is_grad_enabled()
    with sn.inference_mode():
        assert sn.is_inference_mode_enabled() and not (x * 2).requires_grad


def test_modes_end_with_an_exception():
    with pytest.raises(KeyError), sn.no_grad():
        raise KeyError
    assert sn.is_grad_enabled()


def test_modes_decorate_functions():
    @sn.no_grad()
    def called(x):
        return (x * 2).requires_grad

    @sn.no_grad
    def bare(x):
        return (x * 2).requires_grad

    @sn.inference_mode()
    def inferred():
        return sn.is_inference_mode_enabled()

    assert not called(leaf(1.0)) and not bare(leaf(1.0)) and inferred()
    assert called.__name__ == "called"


def test_modes_hold_in_generators_only_while_they_run():
    @sn.no_grad()
    def steps():
        yield sn.is_grad_enabled()
        yield sn.is_grad_enabled()

    for enabled in steps():
        assert not enabled and sn.is_grad_enabled()


def test_generators_under_a_mode_take_values_errors_and_an_end():
    said = []

    @sn.no_grad()
    def steps():
        try:
            got = yield sn.is_grad_enabled()
            said.append((got, sn.is_grad_enabled()))
            try:
                yield 1
            except KeyError:
                said.append(("caught", sn.is_grad_enabled()))
            yield 2
        finally:
            said.append(("closed", sn.is_grad_enabled()))

    generator = steps()
    assert next(generator) is False and generator.send("value") == 1
    assert generator.throw(KeyError()) == 2
    generator.close()
    assert said == [("value", False), ("caught", False), ("closed", False)]

    @sn.inference_mode()
    def returns():
        yield 1
        return sn.is_inference_mode_enabled()

    def delegate():
        result = yield from returns()
        yield result

    assert list(delegate()) == [1, True] and not sn.is_inference_mode_enabled()


def test_set_grad_enabled_decorates_without_acting_at_once():
    @sn.set_grad_enabled(mode=False)
    def called():
        return sn.is_grad_enabled()

    assert sn.is_grad_enabled() and not called() and sn.is_grad_enabled()
    before = sn.set_grad_enabled(False)
    assert not sn.is_grad_enabled()
    with before:
        pass
    assert sn.is_grad_enabled()


@pytest.mark.peer
def test_nested_modes_equal_torch():
    torch = pytest.importorskip("torch")
    found = []
    for lib in (sn, torch):
        modes = [
            lib.no_grad,
            lib.enable_grad,
            lambda lib=lib: lib.set_grad_enabled(False),
            lib.inference_mode,
            lambda lib=lib: lib.inference_mode(mode=False),
        ]
        for outer in modes:
            for inner in modes:
                with outer(), inner():
                    found.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled()))
        assert lib.is_grad_enabled() and not lib.is_inference_mode_enabled()
    assert found[:25] == found[25:]


def test_classes_are_better_not_decorated():
    with pytest.warns(FutureWarning, match="decorating a class"):

        @sn.no_grad()
        class Made:
            def __init__(self):
                self.recorded = sn.is_grad_enabled()

    assert not Made().recorded


def test_modes_belong_to_their_thread():
    seen = {}

    def other():
        seen["other"] = sn.is_grad_enabled()
        with sn.no_grad():
            barrier.wait(5)
            barrier.wait(5)

    barrier = threading.Barrier(2)
    with sn.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        barrier.wait(5)
    seen["here"] = sn.is_grad_enabled()
    barrier.wait(5)
    thread.join()
    assert seen == {"other": True, "here": True}


def test_threads_differentiate_side_by_side():
    found = []

    def work(k):
        x = leaf(*range(50))
        for _ in range(20):
            y = x
            for _ in range(5):
                y = y * k
            x.grad = None
            y.sum().backward()
        found.append((k, x.grad.tolist() == [float(k**5)] * 50))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(found) == [(k, True) for k in range(1, 5)]
