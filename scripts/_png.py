"""Makes pictures of screens small: a palette for three bytes a pixel. Nothing but the standard library."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Colours of a palette.
_MOST = 256


def small(png: bytes) -> bytes:
    """The same picture with at most 256 colours: the most frequent ones, and for others the next to them.

    Args:
        png: as Chromium writes it: eight bits a channel, RGB or RGBA and opaque, not interlaced.

    Returns:
        The picture with a palette; ``png`` itself where that is smaller.
    """
    chunks = dict.fromkeys((b"IHDR", b"IDAT"), b"")
    for kind, data in _chunks(png):
        chunks[kind] = chunks.get(kind, b"") + data
    width, height, depth, colours, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if depth != 8 or colours not in (2, 6):
        return png
    size = 4 if colours == 6 else 3
    rows = list(_rows(zlib.decompress(chunks[b"IDAT"]), width * size, size))
    pixels = [tuple(zip(row[0::size], row[1::size], row[2::size], strict=True)) for row in rows]
    counts = Counter(pixel for row in pixels for pixel in row)
    palette = [colour for colour, _ in counts.most_common(_MOST)]
    index = {colour: number for number, colour in enumerate(palette)}
    for colour in counts.keys() - index.keys():
        index[colour] = _nearest(colour, palette)
    data = b"".join(b"\0" + bytes(map(index.__getitem__, row)) for row in pixels)
    result = b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(part for colour in palette for part in colour)),
            _chunk(b"IDAT", zlib.compress(data, 9)),
            _chunk(b"IEND", b""),
        )
    )
    return min(result, png, key=len)


def _nearest(colour: tuple[int, ...], palette: list[tuple[int, ...]]) -> int:
    def distance(number: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, palette[number], strict=True))

    return min(range(len(palette)), key=distance)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(data: bytes, length: int, size: int) -> Iterator[bytes]:
    """Undo the filter of each row; ``size`` bytes are a pixel."""
    above = bytearray(length)
    for start in range(0, len(data), length + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        if kind == 2:
            row = bytearray((a + b) & 255 for a, b in zip(row, above, strict=True))
        elif kind:
            for at in range(length):
                left = row[at - size] if at >= size else 0
                corner = above[at - size] if at >= size else 0
                row[at] = (row[at] + _guess(kind, left, above[at], corner)) & 255
        yield bytes(row)
        above = row


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 1:
        return left
    if kind == 3:
        return (left + above) // 2
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))
