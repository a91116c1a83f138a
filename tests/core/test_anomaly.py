"""Anomaly detection: the line whose gradient failed, and nothing when it is off."""

import threading

import numpy as np
import pytest

import sensorium as sn
from sensorium import autograd
from sensorium.autograd import Function, detect_anomaly, grad, set_detect_anomaly
from sensorium.errors import AutogradError


def leaf(*values):
    return sn.tensor(list(values), dtype=sn.float64, requires_grad=True)


def root_of(x):
    return x.sqrt()  # this is the line


class Broken(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        raise KeyError("from the user's backward")


def test_nan_is_an_error_that_names_the_line():
    x = leaf(0.0, 4.0)
    with detect_anomaly():
        y = root_of(x)
        with pytest.raises(AutogradError) as caught:
            (y * sn.tensor([0.0, 1.0])).sum().backward()
    text = str(caught.value)
    assert "Function 'SqrtBackward0' returned nan values in its 0th output" in text
    assert "test_anomaly.py:" in text and text.endswith("return x.sqrt()  # this is the line")
    notes = "".join(caught.value.__notes__)
    assert "y = root_of(x)" in notes, "the note shows the callers too"


def test_nan_passes_without_check_nan_and_without_detection():
    for check in (None, False):
        x = leaf(0.0)
        if check is None:
            (root_of(x) * 0).backward()
        else:
            with detect_anomaly(check_nan=False):
                (root_of(x) * 0).backward()
        assert np.isnan(x.grad.array).all()


def test_errors_of_backward_keep_their_type_and_tell_the_line():
    x = leaf(1.0)
    with detect_anomaly():
        y = Broken.apply(x) * 1
        with pytest.raises(KeyError, match="from the user's backward") as caught:
            y.backward()
    notes = "".join(caught.value.__notes__)
    assert "BrokenBackward0 was recorded at" in notes and "y = Broken.apply(x) * 1" in notes


def test_overwritten_values_tell_the_line():
    x = leaf(1.0)
    with detect_anomaly():
        y = x * 1
        z = y.sin()
        y.add_(1)
        with pytest.raises(AutogradError) as caught:
            z.backward()
    assert "z = y.sin()" in "".join(caught.value.__notes__)


def test_second_derivatives_name_the_first_line_too():
    x = leaf(0.0)
    with detect_anomaly():
        y = x**1.5
        (g,) = grad(y.sum(), x, create_graph=True)
        with pytest.raises(AutogradError, match="returned nan values") as caught:
            (g * 0).sum().backward()
    notes = "".join(caught.value.__notes__)
    assert "by the backward of PowBackward0" in notes and "y = x**1.5" in notes


def test_operations_from_before_are_said_to_be_so():
    y = root_of(leaf(0.0)) * 0
    with detect_anomaly(), pytest.raises(AutogradError, match="before anomaly detection"):
        y.backward()


def test_switching():
    assert not autograd.is_anomaly_enabled()
    set_detect_anomaly(True, check_nan=False)
    try:
        assert autograd.is_anomaly_enabled() and not autograd.is_anomaly_check_nan_enabled()
        with set_detect_anomaly(False):
            assert not autograd.is_anomaly_enabled()
        assert autograd.is_anomaly_enabled()
        with detect_anomaly():
            assert autograd.is_anomaly_check_nan_enabled()
        assert not autograd.is_anomaly_check_nan_enabled()
    finally:
        set_detect_anomaly(False)
    assert not autograd.is_anomaly_enabled()


def test_detection_holds_in_every_thread():
    found = []

    def work():
        try:
            (root_of(leaf(0.0)) * 0).backward()
        except AutogradError as error:
            found.append(str(error))

    with detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert "x.sqrt()" in found[0]


def test_gradients_are_the_same_with_detection():
    def run():
        x = leaf(0.5, 2.0)
        y = (x.sort()[0].exp() * x).sum()
        (g,) = grad(y, x, create_graph=True)
        return g.tolist(), grad(g.sum(), x)[0].tolist()

    plain = run()
    with detect_anomaly():
        assert run() == plain


@pytest.mark.peer
@pytest.mark.parametrize("function", ["sqrt", "log"])
@pytest.mark.filterwarnings("ignore")
def test_the_message_is_pytorchs(function):
    torch = pytest.importorskip("torch")
    said = []
    for lib in (sn, torch):
        x = lib.tensor([0.0], requires_grad=True)
        with lib.autograd.detect_anomaly(), pytest.raises(RuntimeError) as caught:
            (getattr(x, function)() * 0).sum().backward()
        said.append(str(caught.value).partition(" output")[0])
    assert said[0] == said[1]
