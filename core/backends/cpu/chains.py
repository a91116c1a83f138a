"""Chains of arithmetic over equally long rows, each chain one pass through memory on every core.

A chain begins with an operation on two operands and goes on with links that change the value in
hand; what it ends with is written. It is one ``binary`` primitive whose post-ops are the links, so
the values in between stay in registers. Left out: anything but dense float32.

    ("add" | "sub" | "mul", operand)   value + operand, value - operand, value operand
    ("under", operand)                 operand / value
    ("sqrt",)                          the square root
    ("sum", scale)                     value + scale (what the result held before)

An operand is ROW or NUMBER (one float32, read when the chain runs). ``scale`` belongs to the
compiled code.
"""

from __future__ import annotations

from typing import Any

from . import constants as c, memory
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, plans

ROW, NUMBER = "row", "number"

Link = tuple[Any, ...]


def chain(size: int, first: tuple[str, str], links: tuple[Link, ...]) -> Primitive:
    """The compiled chain for rows of this many elements; its first operand is always a ROW.

    Call it with the addresses of the operands in their order, and last that of the result, which
    may be that of any operand that is a ROW. Raises Unsupported where oneDNN has no such primitive.
    """
    key = ("chain", size, first, links)
    return plans.get(key) or memory.plan(key, _chain, size, first, links)


def _chain(size: int, first: tuple[str, str], links: tuple[Link, ...]) -> Primitive:
    float32 = DATA_TYPES["float32"]
    row = memory.describe((size,), (1,), float32)
    shapes = {ROW: row, NUMBER: memory.describe((1,), (1,), float32)}
    kind, second = first
    args: list[tuple[int, Desc | None]] = [(c.ARG_SRC, row), (c.ARG_SRC_1, shapes[second])]
    post_ops: list[tuple] = []
    for link in links:
        for post_op in _post_ops(link, shapes):
            if post_op[0] == "binary":
                args.append((c.arg_post_op(len(post_ops)), post_op[2]))
            post_ops.append(post_op)
    args.append((c.ARG_DST, row))
    operands = (c.BINARY[kind], row, shapes[second], row)
    desc = PrimitiveDesc("binary", f"a chain over {size} float32", *operands, post_ops=post_ops)
    return Primitive(desc, args)


def _post_ops(link: Link, shapes: dict[str, Desc]) -> list[tuple]:
    """A link as post-ops of oneDNN, which has no division by the value in hand."""
    kind, *rest = link
    if kind == "sqrt":
        return [("eltwise", *c.ELTWISE["sqrt"])]
    if kind == "sum":
        return [("sum", float(rest[0]))]
    if kind == "under":
        return [("eltwise", c.POWER, 1.0, -1.0), ("binary", c.BINARY["mul"], shapes[rest[0]])]
    return [("binary", c.BINARY[kind], shapes[rest[0]])]
