"""A child process: timm's own model files, with PyTorch or with Sensorium as ``torch``.

    python timm_models.py (torch|sensorium) FOLDER [MODEL ...]

Both sides run the same lines; the results of each model, or its traceback, are left in FOLDER. What
timm takes from torchvision and its own data pipeline are left out: models do not need them.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np

# The smallest models of timm's files at 64 pixels, those told the size of their images, and others.
PLAIN = """
    caformer_s18 convmixer_768_32 convnext_atto convnextv2_atto cpubone_nano
    cs3darknet_focus_s cspnext_tiny davit_tiny densenet121 dla46_c dpn48b edgenext_xx_small
    efficientnet_b0 efficientvim_m1 efficientvit_b0 ese_vovnet19b_slim fasternet_t0
    fastvit_t8 focalnet_tiny_srf ghostnet_050 hardcorenas_a hgnetv2_b0 hieradet_small
    hrnet_w18_small iformer_t inception_next_atto lcnetv2_small legacy_seresnet18
    legacy_xception lowformer_b0 mambaout_femto mobilenetv3_small_050 mobilenetv4_conv_small
    mobileone_s0 mobilevit_xxs mobilevitv2_050 nextvit_small nf_regnet_b0 nfnet_l0
    poolformer_s12 pvt_v2_b0 rdnet_tiny regnetx_002 regnety_002 repghostnet_050 repvgg_a0
    repvit_m0_9 res2net50_14w_8s resnest14d resnet18 resnetv2_18 rexnet_100 selecsls42
    seresnet33ts shvit_s1 skresnet18 starnet_s050 swiftformer_xs tiny_vit_5m_224 tresnet_m
    xception41
"""
SIZED = """
    botnet26t_256 cait_xxs24_224 coat_lite_tiny coatnet_pico_rw_224 convit_tiny
    deit_tiny_distilled_patch16_224 gcvit_xxtiny gmlp_ti16_224 maxvit_rmlp_pico_rw_256
    mixer_s32_224 pit_ti_224 resmlp_12_224 sequencer2d_s swin_tiny_patch4_window7_224
    swinv2_cr_tiny_224 swinv2_tiny_window8_256 tnt_s_patch16_224 twins_pcpvt_small
    twins_svt_small visformer_tiny vit_relpos_small_patch16_224 vit_tiny_patch16_224
    vit_tiny_r_s16_p8_224 vitamin_small_224 volo_d1_224 xcit_nano_12_p16_224
"""
OTHER: dict[str, tuple[int, dict[str, Any]]] = {
    "beit_base_patch16_224": (64, {"img_size": 64, "embed_dim": 192, "depth": 3, "num_heads": 3}),
    "crossvit_tiny_240": (240, {}),
    "csatv2": (224, {}),
    "efficientformer_l1": (224, {}),
    "efficientformerv2_s0": (224, {}),
    "efficientvit_m0": (224, {}),
    "hiera_tiny_224": (224, {}),
    "inception_resnet_v2": (96, {}),
    "inception_v3": (96, {"aux_logits": False}),
    "inception_v4": (96, {}),
    "levit_128s": (224, {}),
    "mvitv2_tiny": (224, {}),
    "naflexvit_base_patch16_gap": (64, {"embed_dim": 192, "depth": 3, "num_heads": 3}),
    "nasnetalarge": (96, {}),
    "nest_tiny": (224, {}),
    "pnasnet5large": (96, {}),
    "samvit_base_patch16": (
        64,
        {"img_size": 64, "embed_dim": 192, "depth": 3, "num_heads": 3, "global_attn_indexes": (2,)},
    ),
}
EVALUATED: dict[str, tuple[int, dict[str, Any]]] = {
    **dict.fromkeys(PLAIN.split(), (64, {})),
    **dict.fromkeys(SIZED.split(), (64, {"img_size": 64})),
    **OTHER,
}
# With drawn weights the activations of these grow until float32 is no measure: in PyTorch too.
IN_DOUBLE = {"efficientvit_m0", "nextvit_small", "repvit_m0_9"}
# The largest difference. PyTorch's gradient of hardsigmoid has its 1/6 as a float32, 3e-8 away.
TRAINED = {
    "convnext_atto": 1e-8,
    "mobilenetv3_small_050": 1e-7,
    "regnety_002": 1e-8,
    "resnet18": 1e-8,
    "vit_tiny_patch16_224": 1e-8,
}


def module_at(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_data(torch: Any) -> None:
    """Stand in for torchvision's frozen batch norm, which no model here uses, and for timm.data.

    timm.data reads images with torchvision; its models ask it for the means of ImageNet.
    """
    for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = type("Frozen", (torch.nn.Module,), {})
    spec = importlib.util.find_spec("timm")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "data" / "constants.py"
    sys.modules["timm.data"] = module_at("timm.data", path)


def pixels(size: int, torch: Any, dtype: str = "float32") -> Any:
    return torch.tensor(np.random.default_rng(0).normal(size=(2, 3, size, size)).astype(dtype))


def evaluate(name: str) -> dict[str, np.ndarray]:
    size, options = EVALUATED[name]
    dtype = "float64" if name in IN_DOUBLE else "float32"
    model = timm.create_model(name, num_classes=10, **options).to(getattr(torch, dtype))
    return exchange.evaluated(model, torch, pixels(size, torch, dtype))


def train(name: str) -> dict[str, np.ndarray]:
    size, options = EVALUATED[name]
    model = timm.create_model(name, num_classes=10, **options).double()
    x, labels = pixels(size, torch, "float64"), torch.tensor([3, 7])
    return exchange.trained(
        model, torch, lambda: torch.nn.functional.cross_entropy(model(x), labels)
    )


if __name__ == "__main__":
    import exchange

    package, folder, *chosen = sys.argv[1:]
    if package == "sensorium":
        import stand_in

        stand_in.install()
    import torch

    torch.set_num_threads(1)
    without_data(torch)
    warnings.simplefilter("ignore")  # timm's words about its own older names
    import timm

    jobs = {name: lambda name=name: evaluate(name) for name in chosen or EVALUATED}
    if not chosen:
        jobs |= {f"{name} trained": lambda name=name: train(name) for name in TRAINED}
    exchange.run_all(jobs, Path(folder))
