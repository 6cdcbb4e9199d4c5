"""A plain container of numbers: one JSON header and raw arrays in one file that runs no code when it is read.

Layout, all integers little-endian:

    16 bytes   magic, with the version of the layout
     8 bytes   length of the header
    32 bytes   SHA-256 of everything that follows
    header     canonical JSON: {"arrays": [{"dtype", "name", "shape"}], "facts": {...}}
    arrays     each starting at a multiple of 8, in header order, zero bytes between them, nothing after the last

The same content gives the same bytes. There is one way to write a content, and whatever differs from it is refused.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadInputError

MAGIC: Final = b"RECOVERY-MODEL\x00\x01"
MOST_BYTES: Final = 256 << 20
_MOST_HEADER: Final = 16 << 20
_MOST_ARRAYS: Final = 64
_PREFIX: Final = struct.Struct("<16sQ32s")
_DTYPES: Final[dict[str, np.dtype[Any]]] = {"<f8": np.dtype("<f8"), "<i4": np.dtype("<i4"), "|u1": np.dtype("|u1")}
_ALIGNED: Final = 8
_REMEDY: Final = "Restore the file from a copy, or run `recovery rollback`."


def pack(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Bytes of a content.

    Args:
        facts: JSON-ready values without NaN.
        arrays: name -> one-dimensional array of float64, int32 or uint8.
    """
    body: list[bytes] = []
    listed = []
    for name, array in arrays.items():
        plain = np.ascontiguousarray(array)
        dtype = plain.dtype.newbyteorder("<").str
        if dtype not in _DTYPES or plain.ndim != 1:
            raise AssertionError(f"array {name} has type {plain.dtype} and {plain.ndim} dimensions")
        listed.append({"name": name, "dtype": dtype, "shape": [int(plain.size)]})
        raw = plain.astype(_DTYPES[dtype]).tobytes()
        body += [raw, b"\0" * (-len(raw) % _ALIGNED)]
    header = _canonical({"arrays": listed, "facts": dict(facts)})
    header += b" " * (-(_PREFIX.size + len(header)) % _ALIGNED)
    content = header + b"".join(body)
    return _PREFIX.pack(MAGIC, len(header), hashlib.sha256(content).digest()) + content


def unpack(data: bytes, *, where: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Facts and read-only arrays of a file.

    Raises:
        BadInputError: too large, cut short, changed, or not written the way `pack` writes.
    """
    if len(data) > MOST_BYTES:
        raise _refusal(f"is larger than {MOST_BYTES >> 20} MiB", where)
    if len(data) < _PREFIX.size:
        raise _refusal("is cut short", where)
    magic, header_bytes, digest = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise _refusal("is of another kind or version", where)
    if header_bytes > min(_MOST_HEADER, len(data) - _PREFIX.size):
        raise _refusal("is cut short or has an oversized header", where)
    content = memoryview(data)[_PREFIX.size :]
    if hashlib.sha256(content).digest() != digest:
        raise _refusal("was changed or cut short: its inner hash does not agree", where)
    header = _header(bytes(content[:header_bytes]), where)
    return header["facts"], _arrays(data, _PREFIX.size + header_bytes, header["arrays"], where)


def _header(text: bytes, where: str) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("ascii"), parse_constant=_no_constant)
        padded = _canonical(header)
    except (ValueError, RecursionError) as error:
        raise _refusal("has a header that is not plain JSON", where) from error
    padded += b" " * (-(_PREFIX.size + len(padded)) % _ALIGNED)
    shaped = isinstance(header, dict) and set(header) == {"arrays", "facts"} and isinstance(header["facts"], dict)
    if not shaped or not isinstance(header["arrays"], list) or padded != text:
        raise _refusal("has a header of another shape", where)
    return dict(header)


def _arrays(data: bytes, at: int, listed: list[Any], where: str) -> dict[str, NDArray[Any]]:
    if len(listed) > _MOST_ARRAYS:
        raise _refusal("lists too many arrays", where)
    found: dict[str, NDArray[Any]] = {}
    for one in listed:
        fits = isinstance(one, dict) and set(one) == {"dtype", "name", "shape"} and one["dtype"] in _DTYPES
        if not fits or not isinstance(one["name"], str) or one["name"] in found:
            raise _refusal("describes an array in another way", where)
        shape = one["shape"]
        if not isinstance(shape, list) or len(shape) != 1 or type(shape[0]) is not int:
            raise _refusal("describes an array in another way", where)
        dtype = _DTYPES[one["dtype"]]
        if not 0 <= shape[0] <= (len(data) - at) // dtype.itemsize:
            raise _refusal(f"is too short for its array {one['name'][:40]!r}", where)
        size = shape[0] * dtype.itemsize
        found[one["name"]] = np.frombuffer(data, dtype=dtype, count=shape[0], offset=at)
        padding = -size % _ALIGNED
        at += size + padding
        if at > len(data) or any(data[at - padding : at]):
            raise _refusal("has bytes where none belong", where)
    if at != len(data):
        raise _refusal("has bytes where none belong", where)
    return found


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refusal(fault: str, where: str) -> BadInputError:
    return BadInputError(f"The model's file {fault}.", where=where, remedy=_REMEDY)
