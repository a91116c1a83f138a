"""Label lists: length, order by known anchors, no duplicates; and that vision loads lazily."""

import subprocess
import sys

import pytest

from sensorium.errors import NotFoundError
from sensorium.vision.labels import available, imagenet_labels, labels

# Anchors that anyone can check against the published synset order.
ANCHORS = {0: "tench", 7: "cock", 134: "crane bird", 151: "Chihuahua", 281: "tabby", 285: "Egyptian cat",
           340: "zebra", 517: "crane", 638: "maillot", 639: "maillot tank suit", 657: "missile",
           744: "projectile", 967: "espresso", 968: "cup", 999: "toilet tissue"}  # fmt: skip


def test_imagenet_has_a_thousand_different_names_in_order():
    names = imagenet_labels()
    assert len(names) == len(set(names)) == 1000
    assert {k: names[k] for k in ANCHORS} == ANCHORS
    assert all(name == name.strip() and name for name in names)


def test_digits():
    assert labels("digits") == tuple("0123456789")


def test_unknown_list_names_the_known_ones():
    with pytest.raises(NotFoundError, match=r"'coco'.*digits, imagenet1k"):
        labels("coco")
    assert available() == ("digits", "imagenet1k")


def test_importing_vision_brings_in_no_pillow():
    code = "import sys, sensorium.vision as v; print('PIL' in sys.modules); v.io; v.labels"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
