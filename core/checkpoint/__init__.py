"""sensorium.checkpoint: saving a training run so that nothing is lost, and resuming it exactly.

    Checkpointer    saves model, optimiser, schedule, data position and random state; restores them
    Checkpoint      what is known of one save: step, metrics, files with their sha256
    StopRequest     notes SIGTERM and Ctrl-C, so that a loop can save and end

Nothing here is pickled: arrays are safetensors, the rest is JSON.
"""

from ..errors import CheckpointError as CheckpointError
from ._manifest import Checkpoint as Checkpoint
from ._stop import StopRequest as StopRequest
from .checkpointer import Checkpointer as Checkpointer
