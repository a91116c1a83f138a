"""Features and effects of waveforms and spectrograms, under torchaudio's names and defaults.

Everything works on any leading dimensions, (..., time) or (..., freq, time), and is differentiable
where the formula is. Random masks draw from ``sensorium.default_generator``. nan and inf in the input
come out in the values they enter; ``audio.io.load`` refuses them at the door.

Left out of torchaudio 2.8: biquad and other filters, beamforming, loudness, voice activity, RNN-T loss,
forced alignment, codecs.
"""

from ._filters import (
    add_noise as add_noise,
    compute_deltas as compute_deltas,
    convolve as convolve,
    deemphasis as deemphasis,
    fftconvolve as fftconvolve,
    preemphasis as preemphasis,
)
from ._levels import (
    DB_to_amplitude as DB_to_amplitude,
    amplitude_to_DB as amplitude_to_DB,
    gain as gain,
    mu_law_decoding as mu_law_decoding,
    mu_law_encoding as mu_law_encoding,
)
from ._masking import (
    mask_along_axis as mask_along_axis,
    mask_along_axis_iid as mask_along_axis_iid,
)
from ._mel import (
    create_dct as create_dct,
    linear_fbanks as linear_fbanks,
    melscale_fbanks as melscale_fbanks,
)
from ._resample import (
    resample as resample,
    speed as speed,
)
from ._spectrogram import (
    griffinlim as griffinlim,
    inverse_spectrogram as inverse_spectrogram,
    spectral_centroid as spectral_centroid,
    spectrogram as spectrogram,
)
from ._stretch import (
    phase_vocoder as phase_vocoder,
    pitch_shift as pitch_shift,
)
