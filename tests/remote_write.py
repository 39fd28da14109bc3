"""Prometheus remote write 1.0, as little of it as a test needs: samples and stale markers.

A request is a snappy block of a protobuf `WriteRequest` (prometheus/prompb/remote.proto and
types.proto); the block is written without compression, which the format allows.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

import httpx

from storage.series import Labels

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The NaN by which Prometheus says that a series has ended (model/value/value.go)."""
LITERAL_BYTES = 65_536
SERIES_AT_ONCE = 2_000

Point = tuple[int, float]  # milliseconds, value


def push(address: str, series: Mapping[Labels, Sequence[Point]]) -> list[httpx.Response]:
    """Send samples, those of one series in the order given; what was answered to each part."""
    rows = list(series.items())
    answers = []
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        for start in range(0, len(rows), SERIES_AT_ONCE):
            body = block(b"".join(timeseries(*one) for one in rows[start : start + SERIES_AT_ONCE]))
            headers = {
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            }
            answers.append(client.post("/api/v1/write", content=body, headers=headers))
    return answers


def timeseries(labels: Labels, points: Iterable[Point]) -> bytes:
    """Field 1 of a `WriteRequest`: its labels, sorted by name, and its samples."""
    pairs = b"".join(
        field(1, field(1, name.encode()) + field(2, value.encode()))
        for name, value in sorted(labels.as_dict().items())
    )
    samples = b"".join(
        # A double of the bits as they are: a stale marker is one NaN of many.
        field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(at_ms))
        for at_ms, value in points
    )
    return field(1, pairs + samples)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def block(content: bytes) -> bytes:
    """A snappy block of literals (google/snappy, format_description.txt)."""
    return varint(len(content)) + b"".join(literals(content))


def literals(content: bytes) -> Iterator[bytes]:
    """Parts of at most 64 KiB, each with its length less one in two bytes."""
    for start in range(0, len(content), LITERAL_BYTES):
        part = content[start : start + LITERAL_BYTES]
        yield bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
