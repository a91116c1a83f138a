"""EfficientNet-Lite against torch.nn: random weights, training, and the real weights on photographs."""

from __future__ import annotations

import numpy as np
import pytest
from compare import close, same_tables, spread

import sensorium as sn
from sensorium import hub
from sensorium.nn import functional as F
from sensorium.vision import models
from sensorium.vision.labels import imagenet_labels
from sensorium.vision.transforms import functional as T

pytestmark = pytest.mark.peer


def both(torch, reference, n, shift=0.0, **options):
    row = models.model_config(f"efficientnet_lite{n}")
    theirs = reference.EfficientNetLite(row["width"], row["depth"], classes=10)
    state = spread(theirs, seed=n, shift=shift)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    ours = models.get_model(f"efficientnet_lite{n}", num_classes=10, **options)
    ours.load_state_dict(state)
    return ours, theirs


@pytest.mark.parametrize(("n", "size"), [(0, 64), (1, 63), (2, 65), (3, 64), (4, 70)])
def test_logits_in_eval_mode(torch, reference, n, size, cheap_init):
    ours, theirs = both(torch, reference, n)
    x = np.random.default_rng(0).normal(size=(1, 3, size, size + 3)).astype(np.float32)
    with torch.no_grad(), sn.no_grad():
        close(ours.eval()(sn.from_numpy(x)).numpy(), theirs.eval()(torch.from_numpy(x)), 1e-4)


# relu6 has kinks at 0 and 6: in float32 the norms put out values around 2 (see test_resnet_peer)
@pytest.mark.parametrize(
    ("dtype", "tolerance", "shift"), [("float32", 1e-3, 2), ("float64", 1e-9, 0)]
)
def test_every_gradient_and_statistic_in_training_mode(
    torch, reference, dtype, tolerance, shift, cheap_init
):
    ours, theirs = both(torch, reference, 0, shift, dropout=0.0, drop_connect=0.0)
    ours, theirs = ours.to(getattr(sn, dtype)).train(), theirs.to(getattr(torch, dtype)).train()
    x = np.random.default_rng(1).normal(size=(4, 3, 64, 64)).astype(dtype)
    target = np.array([3, 1, 0, 9])
    loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(target))
    loss.backward()
    mine = F.cross_entropy(ours(sn.from_numpy(x)), sn.from_numpy(target))
    mine.backward()
    close(mine.detach().numpy(), loss, tolerance)
    grads = {key: value.grad for key, value in ours.named_parameters()}
    same_tables(grads, {key: value.grad for key, value in theirs.named_parameters()}, tolerance)
    same_tables(dict(ours.named_buffers()), dict(theirs.named_buffers()), tolerance)


@pytest.mark.network
def test_real_weights_on_real_photographs(torch, reference):
    from skimage import data

    card = hub.card("efficientnet_lite0").default()
    path = hub.fetch(card.sources, sha256=card.sha256)
    theirs = reference.EfficientNetLite().eval()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    ours = hub.load("efficientnet_lite0")
    expected = {
        "chelsea": {"tiger cat", "Egyptian cat", "tabby"},
        "coffee": {"espresso", "cup"},
        "rocket": {"missile", "projectile"},
    }
    for name, allowed in expected.items():
        x = ours.preprocess(T.to_pil_image(getattr(data, name)()))[None]
        with torch.no_grad(), sn.inference_mode():
            got, wanted = ours(x), theirs(torch.from_numpy(x.numpy()))
        close(got.numpy(), wanted, 1e-4)
        assert imagenet_labels()[int(got.argmax())] in allowed
