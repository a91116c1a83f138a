"""Shapes."""

from __future__ import annotations


class Size(tuple[int, ...]):
    """A shape: a tuple of sizes that also knows its number of elements."""

    __slots__ = ()

    def numel(self) -> int:
        """The product of the sizes.

        >>> Size((2, 3)).numel()
        6
        """
        product = 1
        for n in self:
            product *= n
        return product

    def __repr__(self) -> str:
        return f"sensorium.Size({list(self)})"
