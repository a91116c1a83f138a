"""sensorium.utils.benchmark: how long a few lines take, measured well enough to compare.

    Timer        runs a statement: timeit, blocked_autorange, adaptive_autorange
    Measurement  its times: median, mean, iqr, and whether they can be trusted
    Compare      measurements as a table
    timer        the clock

Follows ``torch.utils.benchmark``. Left out: counting instructions (Callgrind), C++ statements, fuzzers.

>>> from sensorium.utils.benchmark import Timer
>>> m = Timer("x @ x", "import sensorium as sn; x = sn.ones(4, 4)").timeit(100)
>>> 0 < m.median < 1, m.number_per_run
(True, 100)
"""

from .compare import Compare as Compare
from .measurement import Measurement as Measurement, TaskSpec as TaskSpec
from .timer import Timer as Timer, timer as timer
