"""Table of contents of the kernels: how each kind of node runs."""

from __future__ import annotations
