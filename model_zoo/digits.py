"""Twenty handwritten digits that ``digits_resnet`` was not trained on, for the demo and the tests.

``weights/digits_held_out.csv``: on each line 64 pixels, 0 to 16, row by row, and the digit, as in
scikit-learn's ``digits.csv.gz``; ``examples/digits.py`` writes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

CREDIT = "UCI (E. Alpaydin and C. Kaynak, CC BY 4.0), through scikit-learn"
FILE = Path(__file__).parent / "weights" / "digits_held_out.csv"


def held_out() -> tuple[np.ndarray, np.ndarray]:
    """Images (20, 1, 8, 8), float32 in [0, 1], and their digits (20,).

    >>> images, digits = held_out()
    >>> images.shape, sorted(set(digits.tolist())) == list(range(10))
    ((20, 1, 8, 8), True)
    """
    rows = np.loadtxt(FILE, delimiter=",", dtype=np.int64, ndmin=2)
    return (rows[:, :64] / 16).astype(np.float32).reshape(-1, 1, 8, 8), rows[:, 64]
