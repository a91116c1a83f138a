"""ImageClassification: labels in order of probability, for every form an image may have."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium import hub
from sensorium.errors import DecodeError, OptionError, ShapeError
from sensorium.model_zoo import digits
from sensorium.model_zoo.pipelines import ImageClassification, Label


@pytest.fixture(scope="module")
def pipe():
    return hub.pipeline("digits_resnet")


@pytest.fixture
def image():
    pixels = (digits.held_out()[0][0, 0] * 255).astype(np.uint8)
    return Image.fromarray(pixels)


def test_scores_are_the_softmax_best_first(pipe, image):
    labels = pipe(image, top_k=10)
    scores = [label.score for label in labels]
    assert all(isinstance(label, Label) for label in labels)
    assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1, abs=1e-5)
    with sn.no_grad():
        logits = pipe.model(pipe.model.preprocess(image)[None]).numpy()[0].astype(np.float64)
    wanted = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    for name, score in labels:
        assert score == pytest.approx(wanted[int(name)], rel=1e-4, abs=1e-7)


def test_every_form_of_an_image_gives_the_same(pipe, image, tmp_path):
    path = tmp_path / "digit.png"
    image.save(path)
    memory = io.BytesIO()
    image.save(memory, "png")
    pixels = np.asarray(image)[None]
    forms = [path, str(path), memory.getvalue(), pixels, sn.from_numpy(pixels.copy()), pixels / 255]
    wanted = pipe(image)
    for form in forms:
        form = form.astype(np.float32) if getattr(form, "dtype", None) == np.float64 else form
        got = pipe(form)
        assert [label.name for label in got] == [label.name for label in wanted]
        assert [s for _, s in got] == pytest.approx([s for _, s in wanted], rel=1e-3, abs=1e-6)


def test_a_list_or_a_batch_gives_a_list_in_order(pipe):
    images, _ = digits.held_out()
    small = ImageClassification(pipe.model, labels="digits", batch_size=3)
    rows = [pipe(image, top_k=1)[0].name for image in images]
    assert [row[0].name for row in pipe(images, top_k=1)] == rows
    assert [row[0].name for row in small(list(images), top_k=1)] == rows
    assert pipe([]) == []


def test_top_k_is_at_most_the_number_of_classes(pipe, image):
    assert len(pipe(image)) == 5 and len(pipe(image, top_k=1)) == 1
    assert len(pipe(image, top_k=99)) == 10


def test_classes_without_names_are_numbered(pipe, image):
    unnamed = ImageClassification(pipe.model)
    assert unnamed(image)[0].name == f"class {pipe(image)[0].name}"


def test_what_is_wrong_is_named(pipe, tmp_path, image):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(DecodeError, match=r"broken.png"):
        pipe(broken)
    with pytest.raises(OptionError, match="top_k is 0"):
        pipe(image, top_k=0)
    with pytest.raises(OptionError, match="not int"):
        pipe(7)
    with pytest.raises(OptionError, match="batch_size is 0"):
        ImageClassification(pipe.model, batch_size=0)
    with pytest.raises(ShapeError, match="10 outputs, the labels 1000"):
        ImageClassification(pipe.model, labels="imagenet1k")(image)
