"""Datasets of texts: tables, folders, two of torchtext's; and how samples become batches.

Samples by number, for ``sensorium.data.DataLoader`` with any number of workers. Files are expected
where they are: nothing is downloaded here.
"""

from ._read import MAX_BYTES as MAX_BYTES, MAX_TEXT as MAX_TEXT
from .collate import TextCollate as TextCollate
from .folders import IMDB as IMDB, TextFolder as TextFolder
from .news import AG_NEWS as AG_NEWS
from .tables import CSVDataset as CSVDataset, JSONLines as JSONLines
