"""DLPack under PyTorch's path: ``from_dlpack``, ``to_dlpack``. What they do: ``sensorium.interop``."""

from .. import interop

from_dlpack, to_dlpack = interop.from_dlpack, interop.to_dlpack
