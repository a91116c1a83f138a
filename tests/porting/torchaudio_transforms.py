"""A child process: torchaudio's own Python, with PyTorch or with Sensorium as ``torch``.

    python torchaudio_transforms.py (torch|sensorium) FOLDER

Both sides run the same lines; the results, or the traceback, are left in FOLDER.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

NAMES = [
    "AmplitudeToDB",
    "ComputeDeltas",
    "FrequencyMasking",
    "GriffinLim",
    "LFCC",
    "MelSpectrogram",
    "MFCC",
    "MuLawEncoding",
    "Resample",
    "SlidingWindowCmn",
    "SpectralCentroid",
    "Spectrogram",
    "TimeStretch",
    "lowpass_biquad",
    "phaser",
    "detect_pitch_frequency",
    "fbank",
    "Conformer",
    "ConvTasNet",
    "Wav2Vec2",
]
ROUGH = {"GriffinLim"}  # phases found by iterations, of bins that hold rounding too


def jobs(torchaudio: Any, torch: Any) -> dict[str, Any]:
    """Each name and what computes it."""
    transforms, functional = torchaudio.transforms, torchaudio.functional
    rng = np.random.default_rng(0)
    place = np.arange(8000) / 8000
    sound = np.sin(2 * np.pi * 440 * place) + 0.1 * rng.normal(size=8000)
    x = torch.tensor(sound[None].astype(np.float32))
    power = transforms.Spectrogram()(x)
    phase = transforms.Spectrogram(power=None)(x)
    return {
        "AmplitudeToDB": lambda: transforms.AmplitudeToDB()(power / power.max() + 1e-2),
        "ComputeDeltas": lambda: transforms.ComputeDeltas()(power),
        "FrequencyMasking": lambda: functional.mask_along_axis(power, 1, 0.0, 1),
        "GriffinLim": lambda: transforms.GriffinLim(n_iter=4, rand_init=False)(power),
        "LFCC": lambda: transforms.LFCC()(x),
        "MelSpectrogram": lambda: transforms.MelSpectrogram(n_mels=40)(x),
        "MFCC": lambda: transforms.MFCC(n_mfcc=20, melkwargs={"n_mels": 40})(x),
        "MuLawEncoding": lambda: transforms.MuLawEncoding()(x / 2),
        "Resample": lambda: transforms.Resample(8000, 5512)(x),
        "SlidingWindowCmn": lambda: transforms.SlidingWindowCmn(20)(power.transpose(1, 2)),
        "SpectralCentroid": lambda: transforms.SpectralCentroid(8000)(x),
        "Spectrogram": lambda: power,
        "TimeStretch": lambda: transforms.TimeStretch(n_freq=201)(phase, 1.2).abs(),
        "lowpass_biquad": lambda: functional.lowpass_biquad(x, 8000, 1000.0),
        "phaser": lambda: functional.phaser(x / 2, 8000),
        "detect_pitch_frequency": lambda: functional.detect_pitch_frequency(x, 8000),
        "fbank": lambda: torchaudio.compliance.kaldi.fbank(x, sample_frequency=8000.0),
        **models(torchaudio, torch, x),
    }


def models(torchaudio: Any, torch: Any, x: Any) -> dict[str, Any]:
    steps = torch.tensor(np.random.default_rng(1).normal(size=(2, 5, 8)).astype(np.float32))
    lengths = torch.tensor([5, 4])
    made = {
        "Conformer": torchaudio.models.Conformer(8, 2, 16, 2, 3),
        "ConvTasNet": torchaudio.models.ConvTasNet(msk_num_layers=2, msk_num_stacks=2),
        "Wav2Vec2": small_wav2vec2(torchaudio),
    }
    for model in made.values():
        exchange.fill(model.eval(), torch)
    return {
        "Conformer": lambda: made["Conformer"](steps, lengths)[0],
        "ConvTasNet": lambda: made["ConvTasNet"](x[:, None]),
        "Wav2Vec2": lambda: made["Wav2Vec2"](x)[0],
    }


def small_wav2vec2(torchaudio: Any) -> Any:
    return torchaudio.models.wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(32, 8, 4), (32, 8, 4)],
        extractor_conv_bias=False,
        encoder_embed_dim=32,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=2,
        encoder_num_layers=2,
        encoder_num_heads=4,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=37,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=10,
    )


def evaluate(job: Any) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {"output": job().numpy()}


if __name__ == "__main__":
    import exchange

    package, folder = sys.argv[1:]
    if package == "sensorium":
        import stand_in

        stand_in.install()
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    import torchaudio

    found = jobs(torchaudio, torch)
    exchange.run_all({n: lambda n=n: evaluate(found[n]) for n in NAMES}, Path(folder))
