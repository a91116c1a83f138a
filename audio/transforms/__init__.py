"""Features and effects as modules that hold their windows and filter banks, torchaudio's names.

Each calls the functions of ``sensorium.audio.functional``; what it computes once is a buffer, under
torchaudio's name, that moves and is saved with the module. Any leading dimensions: (..., time) or
(..., freq, time). Random ones draw from ``sensorium.default_generator``, in eval mode too.

Left out of torchaudio 2.8: SlidingWindowCmn, Loudness, Vad, MVDR and its relatives, RNNTLoss, AddNoise,
SpeedPerturbation.

>>> import sensorium as sn
>>> from sensorium.audio import transforms
>>> features = sn.nn.Sequential(
...     transforms.MelSpectrogram(16000, n_fft=400, n_mels=40), transforms.AmplitudeToDB(top_db=80)
... )
>>> features(sn.ones(2, 16000)).shape
sensorium.Size([2, 40, 81])
"""

from ._levels import (
    AmplitudeToDB as AmplitudeToDB,
    Fade as Fade,
    MuLawDecoding as MuLawDecoding,
    MuLawEncoding as MuLawEncoding,
    Vol as Vol,
)
from ._masking import (
    FrequencyMasking as FrequencyMasking,
    SpecAugment as SpecAugment,
    TimeMasking as TimeMasking,
)
from ._mel import (
    LFCC as LFCC,
    MFCC as MFCC,
    InverseMelScale as InverseMelScale,
    MelScale as MelScale,
    MelSpectrogram as MelSpectrogram,
)
from ._spectrogram import (
    GriffinLim as GriffinLim,
    InverseSpectrogram as InverseSpectrogram,
    SpectralCentroid as SpectralCentroid,
    Spectrogram as Spectrogram,
)
from ._time import (
    ComputeDeltas as ComputeDeltas,
    Convolve as Convolve,
    Deemphasis as Deemphasis,
    FFTConvolve as FFTConvolve,
    PitchShift as PitchShift,
    Preemphasis as Preemphasis,
    Resample as Resample,
    Speed as Speed,
    TimeStretch as TimeStretch,
)
