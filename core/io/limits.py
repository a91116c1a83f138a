"""How much a file may ask for before it is refused: one frozen object, passed to every reader."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds on what reading a file may cost; everything above raises ``LimitError``.

    The defaults admit every checkpoint published so far with room to spare and keep the memory
    of a hostile file near its own size. All are plain numbers, so a caller who trusts a file can
    raise one::

        >>> Limits(depth=200).depth
        200
    """

    header_bytes: int = 100_000_000
    """Safetensors header; the figure of the format itself."""
    npy_header_bytes: int = 10_000
    """Header of one ``.npy`` member; NumPy's own figure."""
    records: int = 200_000
    """Members of a zip archive."""
    depth: int = 64
    """Nesting of containers in a checkpoint."""
    nodes: int = 500_000
    """Strings, containers and memo entries of a checkpoint, besides ``bytes_per_node``."""
    bytes_per_node: int = 64
    """Every so many bytes of file allow one node more."""
    integer_bytes: int = 64
    """Length of one integer in a checkpoint."""
    free_bytes: int = 64 << 20
    """Memory that any file may ask for, however small the file."""
    view_factor: int = 4
    """Bytes of all tensors together, in units of the file's size (views may overlap)."""
    inflate_factor: int = 200
    """Bytes after decompression, in units of the file's size."""

    def max_nodes(self, file_bytes: int) -> int:
        """Nodes that a file of so many bytes may hold."""
        return self.nodes + file_bytes // self.bytes_per_node

    def max_view_bytes(self, file_bytes: int) -> int:
        """Bytes that the tensors of a file of so many bytes may span together."""
        return max(self.free_bytes, self.view_factor * file_bytes)

    def max_inflated_bytes(self, file_bytes: int) -> int:
        """Bytes that a compressed file of so many bytes may expand to."""
        return max(self.free_bytes, self.inflate_factor * file_bytes)


DEFAULT = Limits()
