"""Writers of checkpoint files, right or wrong on purpose, one opcode and one field at a time.

Independent of the library under test and of ``pickle``, ``zipfile`` and ``torch``.
"""

import json
import struct
import zlib

MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
SYSTEM = b"\x80\x02}."


# -- pickles -------------------------------------------------------------------------------------
def pkl(body):
    return b"\x80\x02" + body + b"."


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def num(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module, attribute):
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def tup(*items):
    return b"(" + b"".join(items) + b"t"


def nums(*values):
    return tup(*map(num, values))


def call(module, attribute, *arguments):
    return name(module, attribute) + tup(*arguments) + b"R"


def mapping(**items):
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


ORDERED = name("collections", "OrderedDict") + b")R"


def storage(kind, key, count, view=None):
    parts = [text("storage"), name("torch", kind), text(key), text("cpu"), num(count)]
    return tup(*parts, *([] if view is None else [view])) + b"Q"


def tensor(kind, key, count, offset, size, stride, view=None):
    return call(
        "torch._utils", "_rebuild_tensor_v2",
        storage(kind, key, count, view), num(offset), nums(*size), nums(*stride), b"\x89", ORDERED,
    )  # fmt: skip


# -- zip -----------------------------------------------------------------------------------------
def record(path, data, **fields):
    """A zip member; ``fields`` override what its local header ("l_") or directory says ("c_")."""
    packed = fields.pop("packed", data)
    true = {
        "flags": 0,
        "method": 0,
        "crc": zlib.crc32(data),
        "packed": len(packed),
        "size": len(data),
    }
    true.update(name=path.encode(), extra=b"")
    local = {**true, **{k[2:]: v for k, v in fields.items() if k[:2] == "l_"}}
    central = {**true, **{k[2:]: v for k, v in fields.items() if k[:2] == "c_"}}
    return packed, local, central, fields.get("tail", b"")


def _fields(f):
    sizes = struct.pack("<3L", f["crc"], f["packed"], f["size"])
    return struct.pack("<5H", 0, f["flags"], f["method"], 0, 0) + sizes


def zip_file(records, *, before=b"", after=b"", count=None, comment=b"", wide=False, **end):
    """The archive; ``end`` overrides fields of the end record (offset, size, disk)."""
    body, directory = bytearray(before), b""
    for packed, local, central, tail in records:
        at = central.get("offset", len(body))
        body += b"PK\3\4" + _fields(local)
        body += struct.pack("<2H", len(local["name"]), len(local["extra"]))
        body += local["name"] + local["extra"] + packed + tail
        directory += b"PK\1\2\0\0" + _fields(central) + struct.pack(
            "<5H2L", len(central["name"]), len(central["extra"]), 0, central.get("disk", 0), 0, 0,
            at,
        )  # fmt: skip
        directory += central["name"] + central["extra"]
    count = len(records) if count is None else count
    size, offset = end.get("size", len(directory)), end.get("offset", len(body))
    tail = b""
    if wide:
        fields = (44, 0, 0, 0, 0, count, count, size, end.get("offset64", offset))
        tail = b"PK\6\6" + struct.pack("<Q2H2L4Q", *fields)
        tail += b"PK\6\7" + struct.pack("<LQL", 0, len(body) + len(directory), 1)
    last = struct.pack("<4H2LH", end.get("disk", 0), 0, count, count, size, offset, len(comment))
    return bytes(body) + directory + tail + b"PK\5\6" + last + comment + after


def torch_records(pickle, storages, folder="archive"):
    yield record(f"{folder}/data.pkl", pickle)
    yield record(f"{folder}/byteorder", b"little")
    for key, data in storages.items():
        yield record(f"{folder}/data/{key}", data)
    yield record(f"{folder}/version", b"3\n")


def torch_zip(pickle, storages, **options):
    return zip_file(list(torch_records(pickle, storages)), **options)


def torch_stream(pickle, storages, *, system=SYSTEM, after=b""):
    """``storages``: key -> (elements, bytes)."""
    keys = pkl(b"](" + b"".join(map(text, storages)) + b"e")
    data = b"".join(struct.pack("<q", count) + raw for count, raw in storages.values())
    return MAGIC + PROTOCOL + system + pickle + keys + data + after


# -- the state dict most tests share: two float32 tensors and an int64 one -----------------------
def small_pickle(view=None):
    none = b"N" if view == "stream" else None
    return pkl(
        ORDERED + b"("
        + text("w") + tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1), none)
        + text("t") + tensor("FloatStorage", "0", 6, 0, (3, 2), (1, 3), none)
        + text("n") + tensor("LongStorage", "1", 1, 0, (), (), none)
        + b"u"
    )  # fmt: skip


SMALL = {"0": struct.pack("<6f", *range(6)), "1": struct.pack("<q", 7)}


def small_zip():
    return torch_zip(small_pickle(), SMALL)


def small_stream():
    return torch_stream(small_pickle("stream"), {"0": (6, SMALL["0"]), "1": (1, SMALL["1"])})


# -- safetensors and npy -------------------------------------------------------------------------
def safetensors(header, data=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def npy(header, data=b"", version=1):
    raw = header.encode("latin-1") + b"\n"
    width = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(raw)) + raw + data


def npy_of(descr, shape, data, order=False):
    return npy(f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}", data)
