"""Seeded damage to files: what happens to bytes on bad disks and lines, and what somebody does to them on purpose."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

# Numbers that parsers stumble over.
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_OTHER_DIGITS = (b"-1", b"1e999", b"nan", b"inf", b"9" * 40, b"", b"0x1", b"\xff", b"\x00", b'"')
_LARGEST = 4_000_000


def _flip_bits(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 3, 10, 100))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _cut_off(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data) + 1)]


def _drop_stretch(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.choice((1, 4, 64, 1024))]
    return data


def _repeat_stretch(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice((1, 8, 256, 4096))]
    data[start:start] = piece * rng.choice((1, 2, 50))
    return data


def _set_number(data: bytearray, rng: random.Random) -> bytearray:
    """A length, a count or an offset that lies."""
    width = rng.choice((1, 2, 4))
    if len(data) >= width:
        at = rng.randrange(len(data) - width + 1)
        value = rng.choice(_EDGES) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))
    return data


def _set_number_early(data: bytearray, rng: random.Random) -> bytearray:
    head = _set_number(data[:200], rng)
    return head + data[200:]


def _zero_stretch(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data) + 1)
    stop = min(len(data), start + rng.choice((4, 100, 2000)))
    data[start:stop] = bytes(stop - start)
    return data


def _swap_digits(data: bytearray, rng: random.Random) -> bytearray:
    """Numbers of text files: other digits, signs, exponents, words."""
    places = [at for at, byte in enumerate(data) if chr(byte).isdigit()]
    if places:
        at = rng.choice(places)
        data[at : at + 1] = rng.choice(_OTHER_DIGITS)
    return data


_MUTATIONS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    *(_flip_bits, _cut_off, _drop_stretch, _repeat_stretch),
    *(_set_number, _set_number_early, _zero_stretch, _swap_digits),
)


def mutated(seeds: Sequence[bytes], number: int) -> bytes:
    """The damaged file of a number: always the same for the same seeds."""
    rng = random.Random(number)
    data = bytearray(rng.choice(seeds))
    if rng.random() < 0.1:  # the head of one file and the tail of another
        other = rng.choice(seeds)
        data = data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_MUTATIONS)(data, rng)
    return bytes(data[:_LARGEST])
