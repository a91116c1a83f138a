"""A small machine that reads the pickles of PyTorch checkpoints as data.

A pickle is a program for a stack machine. This one knows the opcodes that ``torch.save`` writes
(protocols 2 to 5; https://github.com/python/cpython/blob/3.13/Lib/pickletools.py describes each)
and the constructors of ``torch_globals``; every other opcode or name is refused, so nothing is
ever imported, looked up by attribute or executed. Time is linear in the bytes read, memory is
bounded by ``Limits``, and a container can be filled only while it is an exact list or dict.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from ..errors import (
    CorruptError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsafeContentError,
)
from ._machine import NAME_BYTES, Machine, decoded
from ._tree import check_tree
from .torch_globals import (
    GLOBALS,
    UNSUPPORTED,
    Constructor,
    NumpyArray,
    NumpyType,
    built_array,
    check_key,
    fill,
    set_order,
)

_HIGHEST_PROTOCOL = 5


# -- values --------------------------------------------------------------------------------------
def _protocol(machine: Machine) -> None:
    version = machine.number(1)
    if not 2 <= version <= _HIGHEST_PROTOCOL:
        raise FormatError(f"pickle protocol {version} is not supported")


def _frame(machine: Machine) -> None:
    length = machine.number(8)
    if length > len(machine.data) - machine.position:
        raise TruncatedError(f"a frame of {length} bytes goes beyond the end")
    machine.frame = machine.position + length


def _int(width: int, signed: bool = False) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        machine.push(int.from_bytes(machine.take(width), "little", signed=signed))

    return operation


def _long(width: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        length = machine.number(width)
        if length > machine.limits.integer_bytes:
            raise LimitError(f"an integer of {length} bytes")
        machine.push(int.from_bytes(machine.take(length), "little", signed=True))

    return operation


def _float(machine: Machine) -> None:
    machine.push(struct.unpack(">d", machine.take(8))[0])


def _unicode(width: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        machine.push_node(decoded(machine.take(machine.number(width))))

    return operation


def _bytes(width: int, kind: type = bytes) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        machine.push_node(kind(machine.take(machine.number(width))))

    return operation


def _string(width: int) -> Callable[[Machine], None]:
    """Python 2's str: text where it is UTF-8 (names), else bytes (the numbers of an array)."""

    def operation(machine: Machine) -> None:
        raw = machine.take(machine.number(width))
        try:
            machine.push_node(raw.decode())
        except UnicodeDecodeError:
            machine.push_node(raw)

    return operation


def _constant(value: object) -> Callable[[Machine], None]:
    return lambda machine: machine.push(value)


# -- containers ----------------------------------------------------------------------------------
def _mark(machine: Machine) -> None:
    machine.budget.count()
    machine.marks.append(machine.stack)
    machine.stack = []


def _tuple(machine: Machine) -> None:
    machine.push_node(tuple(machine.pop_mark()))


def _short_tuple(length: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        items = [machine.pop() for _ in range(length)]
        machine.push_node(tuple(reversed(items)))

    return operation


def _new(kind: type) -> Callable[[Machine], None]:
    return lambda machine: machine.push_node(kind())


def _append(machine: Machine) -> None:
    _extend(machine, [machine.pop()])


def _appends(machine: Machine) -> None:
    _extend(machine, machine.pop_mark())


def _extend(machine: Machine, items: list[object]) -> None:
    target = machine.top()
    if type(target) is not list:
        raise CorruptError(f"values appended to {type(target).__name__}, not to a list")
    target.extend(items)


def _setitem(machine: Machine) -> None:
    value = machine.pop()
    _set_items(machine, [machine.pop(), value])


def _setitems(machine: Machine) -> None:
    _set_items(machine, machine.pop_mark())


def _set_items(machine: Machine, items: list[object]) -> None:
    target = machine.top()
    if type(target) is not dict and type(target) is not OrderedDict:
        raise CorruptError(f"items set on {type(target).__name__}, not on a dict")
    if len(items) % 2:
        raise CorruptError("a key without its value")
    for key, value in zip(items[::2], items[1::2]):
        fill(target, key, value)


def _add_items(machine: Machine) -> None:
    items = machine.pop_mark()
    target = machine.top()
    if type(target) is not set:
        raise CorruptError(f"items added to {type(target).__name__}, not to a set")
    target.update(check_key(item) for item in items)


# -- memo ----------------------------------------------------------------------------------------
def _put(width: int) -> Callable[[Machine], None]:
    return lambda machine: machine.remember(machine.number(width))


def _get(width: int) -> Callable[[Machine], None]:
    return lambda machine: machine.recall(machine.number(width))


def _memoize(machine: Machine) -> None:
    machine.remember(len(machine.memo))


# -- names and calls -----------------------------------------------------------------------------
def _global(machine: Machine) -> None:
    module = machine.line()
    _look_up(machine, module, machine.line())


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if type(name) is not str or type(module) is not str:
        raise CorruptError("a global named by something other than text")
    _look_up(machine, module, name)


def _look_up(machine: Machine, module: str, name: str) -> None:
    key = (module, name)
    if key in GLOBALS:
        machine.push(GLOBALS[key])
    elif key in UNSUPPORTED:
        raise FormatError(f"{UNSUPPORTED[key]} (global '{module}.{name}') are not supported")
    else:
        shown = ascii(f"{module}.{name}"[:NAME_BYTES])
        raise UnsafeContentError(
            f"global {shown} is not a tensor constructor; "
            "only tensors and plain containers are read"
        )


def _call(machine: Machine) -> None:
    """REDUCE and NEWOBJ: the same to us, for neither runs anything but a function of ours."""
    arguments = machine.pop()
    function = machine.pop()
    if type(function) is not Constructor or type(arguments) is not tuple:
        raise UnsafeContentError("a call of something that is not a tensor constructor")
    machine.push_node(function(machine.budget, arguments))


def _build(machine: Machine) -> None:
    """Attribute state is dropped, except where it is a NumPy object's content."""
    state = machine.pop()
    target = machine.top()
    if type(target) is NumpyType:
        set_order(target, state)
    elif type(target) is NumpyArray:
        array = built_array(state)
        machine.stack[-1] = array
        machine.memo.update((key, array) for key in target.memo)
    elif type(target) is not OrderedDict and type(target) is not np.ndarray:
        raise CorruptError(f"state given to {type(target).__name__}, which has none")


def _persistent(machine: Machine) -> None:
    identity = machine.pop()
    if type(identity) is not tuple:
        raise CorruptError("a storage named by something other than a tuple")
    machine.push_node(machine.find_storage(identity))


_OPERATIONS: dict[int, Callable[[Machine], None]] = {
    ord(code): operation
    for code, operation in {
        "\x80": _protocol, "\x95": _frame,
        "N": _constant(None), "\x88": _constant(True), "\x89": _constant(False),
        "K": _int(1), "M": _int(2), "J": _int(4, True), "\x8a": _long(1), "\x8b": _long(4),
        "G": _float,
        "X": _unicode(4), "\x8c": _unicode(1), "\x8d": _unicode(8),
        "B": _bytes(4), "C": _bytes(1), "\x8e": _bytes(8), "\x96": _bytes(8, bytearray),
        "T": _string(4), "U": _string(1),
        "(": _mark, "t": _tuple, ")": _new(tuple),
        "\x85": _short_tuple(1), "\x86": _short_tuple(2), "\x87": _short_tuple(3),
        "]": _new(list), "a": _append, "e": _appends,
        "}": _new(dict), "s": _setitem, "u": _setitems,
        "\x8f": _new(set), "\x90": _add_items,
        "q": _put(1), "r": _put(4), "\x94": _memoize, "h": _get(1), "j": _get(4),
        "c": _global, "\x93": _stack_global, "R": _call, "\x81": _call, "b": _build,
        "Q": _persistent,
    }.items()
}  # fmt: skip

_STOP = 0x2E
_CALLS = {
    ord("i"): "INST", ord("o"): "OBJ", 0x92: "NEWOBJ_EX",
    0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4",
}  # fmt: skip
_LEFT_OUT = {
    ord("I"): "INT", ord("L"): "LONG", ord("F"): "FLOAT", ord("S"): "STRING",
    ord("V"): "UNICODE", ord("l"): "LIST", ord("d"): "DICT", ord("p"): "PUT", ord("g"): "GET",
    ord("P"): "PERSID", ord("0"): "POP", ord("1"): "POP_MARK", ord("2"): "DUP",
    0x91: "FROZENSET", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}  # fmt: skip


# -- running -------------------------------------------------------------------------------------
def run(machine: Machine) -> object:
    """Execute until STOP; the value built, checked. ``machine.position`` then lies after it."""
    while True:
        machine.at = machine.position
        try:
            code = machine.take(1)[0]
            if code == _STOP:
                return _result(machine)
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise _unknown(code)
            operation(machine)
        except FormatError as error:
            raise machine.placed(error) from None


def _result(machine: Machine) -> object:
    if len(machine.stack) != 1 or machine.marks:
        raise CorruptError(f"{len(machine.stack)} values are left at the end")
    check_tree(machine.stack[0], machine.limits.depth, machine.budget.values, "its value")
    return machine.stack[0]


def _unknown(code: int) -> FormatError:
    if code in _CALLS:
        return UnsafeContentError(
            f"opcode {_CALLS[code]} makes objects of any class; only tensors are read"
        )
    if code in _LEFT_OUT:
        return FormatError(
            f"opcode {_LEFT_OUT[code]}, which torch.save does not write, is not supported"
        )
    return CorruptError(f"byte {code:#04x} is not an opcode")
