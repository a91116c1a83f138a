"""AdamW, under the file name PyTorch has it in."""

from .adam import AdamW

__all__ = ["AdamW"]
