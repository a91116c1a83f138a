"""The state of the machine that reads a pickle: bytes taken with bounds, a stack, a memo.

``torch_pickle`` gives it its opcodes. Everything here fails with a ``FormatError`` where a pickle
ends early, takes from an empty stack or exceeds its ``Limits``.
"""

from __future__ import annotations

from ..errors import CorruptError, FormatError, LimitError, TruncatedError
from .limits import Limits
from .torch_globals import NumpyArray
from .torch_tensors import Budget, StorageFinder

NAME_BYTES = 512


class Machine:
    """One pickle being read: its bytes, stack and memo.

    ``find_storage`` turns a persistent id into a ``Storage``; ``what`` names the pickle in
    messages; ``budget`` bounds what it may build.
    """

    __slots__ = (
        "at", "budget", "data", "find_storage", "frame", "limits", "marks", "memo",
        "position", "stack", "what",
    )  # fmt: skip

    def __init__(
        self,
        data: memoryview,
        what: str,
        limits: Limits,
        find_storage: StorageFinder,
        budget: Budget,
        position: int = 0,
    ) -> None:
        self.data, self.what, self.limits = data, what, limits
        self.find_storage, self.budget = find_storage, budget
        self.position = self.at = position
        self.frame = 0  # end of the frame being read; 0 outside
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def placed(self, error: FormatError) -> FormatError:
        return type(error)(f"{self.what} at byte {self.at}: {error}")

    # -- bytes -----------------------------------------------------------------------------------
    def take(self, count: int) -> bytes:
        """The next bytes."""
        begin, end = self.position, self.position + count
        if end > len(self.data):
            raise TruncatedError(f"{end - len(self.data)} bytes are missing at the end")
        if self.frame and end > self.frame:
            if begin < self.frame:
                raise CorruptError(f"an opcode straddles the frame that ends at {self.frame}")
            self.frame = 0
        self.position = end
        return bytes(self.data[begin:end])

    def number(self, width: int) -> int:
        """An unsigned little-endian integer."""
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        """Text up to the next newline."""
        chunk = bytes(self.data[self.position : self.position + NAME_BYTES])
        length = chunk.find(b"\n")
        if length < 0 and len(chunk) < NAME_BYTES:
            raise TruncatedError("the end comes in the middle of a name")
        if length < 0:
            raise LimitError(f"a name longer than {NAME_BYTES} bytes")
        return decoded(self.take(length + 1)[:-1])

    # -- stack -----------------------------------------------------------------------------------
    def push(self, value: object) -> None:
        self.stack.append(value)

    def push_node(self, value: object) -> None:
        """Push what takes memory of its own."""
        self.budget.count()
        self.stack.append(value)

    def pop(self) -> object:
        if not self.stack:
            raise CorruptError("a value is missing on the stack")
        return self.stack.pop()

    def top(self) -> object:
        if not self.stack:
            raise CorruptError("a value is missing on the stack")
        return self.stack[-1]

    def pop_mark(self) -> list[object]:
        """The values above the last MARK."""
        if not self.marks:
            raise CorruptError("a MARK is missing on the stack")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def remember(self, key: int) -> None:
        self.budget.count()
        value = self.top()
        if type(value) is NumpyArray:
            value.memo.append(key)  # its array will replace it there
        self.memo[key] = value

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise CorruptError(f"memo {key} was never written")
        self.stack.append(self.memo[key])


def decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise CorruptError(f"text {raw[:40]!a} is not UTF-8") from None
