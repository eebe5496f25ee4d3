"""A ZIP that holds itself: its one member unpacks to the very bytes of the whole file.

Never meant to be unpacked to its end, because there is none.

Its packed data (deflate, RFC 1951) consists of units of ten bytes: `_literal(n)`, the head of a
stored block of n bytes that follow, and `_repeat(n)`, which repeats the last n bytes. They are put
together in the manner of Russ Cox' "Zip Files All The Way Down" (2010), so that what is before the
packed data, the units themselves, and what is behind them come out. The checksum, which the file
both holds and is counted in, solves a system of linear equations.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

_NAME: Final = b"r.zip"
_UNIT: Final = 10
_EMPTY_STORED: Final = b"\0\0\xff\xff"
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_BITS: Final = 32
# How many extra bits the symbols for lengths from 3 and distances from 1 have, in their order.
_LENGTHS: Final = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 3
_DISTANCES: Final = (0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6)
# The beginning and the end of a block in the fixed code, bit by bit.
_FIXED: Final = "010"
_ENDED: Final = "0000000"


def zip_quine() -> bytes:
    """The ZIP; its member is called r.zip."""
    for time in range(1000):
        checksum = _fixed_point(time)
        if checksum is not None:
            return _with_checksum(time, checksum)
    raise AssertionError("no time of day gives a checksum of itself")


def _fixed_point(time: int) -> int | None:
    """The checksum that is its own, or None where there is none.

    Each bit of it changes the checksum of the file by what is the same whatever the others are.
    """
    of_none = zlib.crc32(_with_checksum(time, 0))
    effects = [
        zlib.crc32(_with_checksum(time, 1 << bit)) ^ of_none ^ (1 << bit) for bit in range(_BITS)
    ]
    # {highest bit: (effect, the bits of the checksum that have it together)}
    solved: dict[int, tuple[int, int]] = {}
    for bit, effect in enumerate(effects):
        remaining, bits = _reduced(effect, 1 << bit, solved)
        if remaining:
            solved[remaining.bit_length()] = remaining, bits
    remaining, bits = _reduced(of_none, 0, solved)
    return None if remaining else bits


def _reduced(effect: int, bits: int, solved: dict[int, tuple[int, int]]) -> tuple[int, int]:
    while effect and effect.bit_length() in solved:
        other, its_bits = solved[effect.bit_length()]
        effect, bits = effect ^ other, bits ^ its_bits
    return effect, bits


def _with_checksum(time: int, checksum: int) -> bytes:
    """The file, complete but for the question whether that is its checksum."""
    before, behind = _LOCAL.size + len(_NAME), _CENTRAL.size + len(_NAME) + _END.size
    packed = len(_packed(bytes(before), bytes(behind)))
    told = (20, 0, 8, time, 33, checksum, packed, before + packed + behind, len(_NAME), 0)
    head = _LOCAL.pack(b"PK\3\4", *told) + _NAME
    directory = _CENTRAL.pack(b"PK\1\2", 20, *told, 0, 0, 0, 0, 0) + _NAME
    tail = directory + _END.pack(b"PK\5\6", 0, 0, 1, 1, len(directory), before + packed, 0)
    return head + _packed(head, tail) + tail


def _packed(head: bytes, tail: bytes) -> bytes:
    """What unpacks to `head`, itself and `tail`."""
    to_head, again_head = _literal(len(head) + _UNIT), _repeat(len(head) + _UNIT)
    to_tail = _literal(len(tail) + _UNIT)
    again_tail = _repeat(len(tail) + _UNIT, is_last=True)
    none, one, four = (_literal(units * _UNIT) for units in (0, 1, 4))
    again_two, again_four = _repeat(2 * _UNIT), _repeat(4 * _UNIT)
    # Each line puts out what its comment says.
    return b"".join(
        (
            to_head, head, to_head,  # head, to_head
            again_head,  # the same once more
            one, again_head,  # again_head
            one, one,  # one
            four, again_head, one, one, four,  # again_head, one, one, four
            again_four,  # the same once more
            four, again_four, four, again_four, four,  # again_four, four, again_four, four
            again_four,  # the same once more
            four, none, none, again_two, to_tail,  # none, none, again_two, to_tail
            again_two,  # again_two, to_tail
            to_tail, again_tail, tail,  # again_tail, tail
            again_tail,  # the same once more
        )
    )  # fmt: skip


def _literal(size: int) -> bytes:
    return b"\0" + _EMPTY_STORED + b"\0" + struct.pack("<HH", size, size ^ 0xFFFF)


def _repeat(size: int, *, is_last: bool = False) -> bytes:
    """A block in the fixed code, and an empty stored one to end at a whole byte."""
    room = 8 * (_UNIT - len(_EMPTY_STORED))
    for lengths in ([size], [size - 3, 3]):
        for fillers in (0, 1):
            matches = "".join(_match(length, size) for length in lengths)
            bits = _FIXED + matches + _ENDED + (_FIXED + _ENDED) * fillers + f"{is_last:b}00"
            if room - 8 < len(bits) <= room:
                return int(bits[::-1], 2).to_bytes(room // 8, "little") + _EMPTY_STORED
    raise AssertionError(f"no block of {_UNIT} bytes repeats {size}")


def _match(length: int, distance: int) -> str:
    """The bits of a match in their order; a length that has a code of 7 bits."""
    symbol, of_length = _symbol(length, 3, _LENGTHS)
    far, of_distance = _symbol(distance, 1, _DISTANCES)
    return f"{symbol + 1:07b}{of_length}{far:05b}{of_distance}"


def _symbol(value: int, base: int, all_extra: tuple[int, ...]) -> tuple[int, str]:
    """The number of the symbol that stands for a value, and its extra bits, lowest first."""
    for symbol, extra in enumerate(all_extra):
        if value < base + (1 << extra):
            return symbol, f"{value - base:0{extra}b}"[::-1] if extra else ""
        base += 1 << extra
    raise AssertionError(f"no symbol stands for {value}")
