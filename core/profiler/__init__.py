"""sensorium.profiler: where the time goes, operation by operation; it costs nothing while off.

    profile               records what runs inside it, in all threads
    record_function       a name of one's own around some lines, or on a function
    schedule              which steps of a loop to record; ProfilerAction is what it answers
    ProfilerActivity, supported_activities      what is recorded: the CPU's calls

``profile`` has ``events()``, ``key_averages()``, ``export_chrome_trace(path)``, ``export_flame(path)``
and, in loops, ``step()``. Follows ``torch.profiler``. Left out: clocks of a GPU (a call is timed until
it returns), hardware counters, traces for TensorBoard, the memory timeline.

>>> import sensorium as sn
>>> with profile(record_shapes=True) as p:
...     y = sn.ones(2, 3) @ sn.ones(3, 4)
>>> row = p.key_averages()[0]
>>> row.key, row.count
('matmul', 1)
>>> p.events()[0].input_shapes
[[2, 3], [3, 4]]
"""

from ._record import record_function as record_function
from .averages import EventList as EventList, FunctionEventAvg as FunctionEventAvg
from .events import FunctionEvent as FunctionEvent, Kernel as Kernel
from .profiler import (
    ProfilerAction as ProfilerAction,
    ProfilerActivity as ProfilerActivity,
    profile as profile,
    schedule as schedule,
    supported_activities as supported_activities,
)
