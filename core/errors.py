"""Every error Sensorium raises on purpose, as one tree.

Each class also inherits the builtin that a PyTorch or standard-library user would catch, so
``except ValueError`` and ``except OSError`` keep working. A message says what was being done, what
was expected and what was found, and what to do next; it never carries a credential.
"""

from __future__ import annotations


class SensoriumError(Exception):
    """The root: ``except sn.errors.SensoriumError`` catches whatever this library reports."""


# -- tensors and ops -----------------------------------------------------------------------------
class OpError(SensoriumError, RuntimeError):
    """An operation refused its inputs. RuntimeError, as in PyTorch."""


class ShapeError(OpError, ValueError):
    """Shapes that do not fit together; the message names the op and both shapes."""


class OutOfMemoryError(OpError, MemoryError):
    """The machine has no memory left for what an operation needs; all that there was is intact."""


class DTypeError(OpError, TypeError):
    """An element type the operation is not defined for."""


class LinAlgError(OpError):
    """A matrix the operation has no result for: singular, not positive-definite, no convergence."""


class UndefinedError(OpError, NotImplementedError):
    """A quantity that has no closed form here, or does not exist. NotImplementedError, as in PyTorch."""


class DeviceError(OpError):
    """Tensors on different devices, or a device that this machine does not have."""


class ExportError(OpError, BufferError):
    """Memory that cannot be handed to another library; BufferError is what DLPack's users catch."""


class OutOfBoundsError(SensoriumError, IndexError):
    """An index or class label outside the range it indexes."""


class AutogradError(OpError):
    """A gradient that cannot be had: freed graph, overwritten value, nothing to differentiate."""


class CompileError(OpError):
    """``compile`` cannot make, or run, a graph of a function."""


class TraceError(CompileError):
    """A function does something that a graph cannot hold, such as control flow on values."""


class StateDictError(OpError):
    """A state dict that does not fit its module; every difference is listed at once."""


class OptionError(SensoriumError, TypeError, ValueError):
    """A constructor's option that does not exist, is missing, or has a value out of its range."""


# -- files ---------------------------------------------------------------------------------------
class FormatError(SensoriumError, ValueError):
    """A file is not what its reader can read."""


class TruncatedError(FormatError):
    """The file ends before its own header says it should."""


class CorruptError(FormatError):
    """The file contradicts itself: checksum, offsets, sizes."""


class UnsafeContentError(FormatError):
    """The file asks for something that reading data never needs, such as calling a function."""


class LimitError(FormatError):
    """Reading the file would take more memory, depth or time than its size can justify."""


class DecodeError(FormatError):
    """An image or recording that cannot be decoded faithfully."""


class TokenizerError(FormatError):
    """A tokenizer's file is damaged or unsafe, or its library gave up on a text."""


class CheckpointError(SensoriumError, OSError):
    """A run cannot be saved or resumed: folder in use, disk full, no checkpoint that is whole."""


# -- hub -----------------------------------------------------------------------------------------
class HubError(SensoriumError, OSError):
    """Something between a name and its verified file went wrong."""


class DownloadError(HubError):
    """The transfer failed after every retry."""


class IntegrityError(HubError):
    """The bytes that arrived are not the bytes that were published."""


class NotFoundError(HubError, LookupError):
    """No such model, weights, repository or file; close names are suggested."""


class AuthError(HubError):
    """The server wants credentials."""


class RateLimitError(HubError):
    """The server asks to wait longer than a caller would want to."""


class OfflineError(HubError):
    """The file is not in the cache and the network may not be used."""


class CacheError(HubError):
    """The cache directory cannot be read or written."""


class DiskSpaceError(CacheError):
    """The file does not fit on the disk."""


class CardError(HubError, ValueError):
    """A model card breaks its schema."""
