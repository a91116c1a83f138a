"""The command ``sensorium``: demo, classify, embed, similar, transcribe, vad, pitch, hub, bench, doctor.

One file a command, each with ``add(commands)`` for its arguments and ``run(args, out)`` for its
work; whatever is heavy is imported inside ``run``. Exit codes: 0 done, 1 failed (one line on
stderr), 2 misused, 130 interrupted. With ``--json`` stdout is one JSON document.
"""

from __future__ import annotations

from .main import main as main
