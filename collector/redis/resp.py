"""The Redis protocol, version 2: commands to bytes, bytes to replies. Pure.

The part of it that a collector needs is smaller than a client library, whose retries and time-outs
would outlast ours. What the server says is bounded in length, depth and number.
"""

from collector.failure import CollectFailure, Failure

MOST_DEPTH = 8
LONGEST_LINE = 64 * 1024

Reply = object
"""An int, bytes, None, a list of replies, or a Refusal."""


class Refusal:
    """An error reply: its first word. The rest may quote what was sent, so it is not kept."""

    __slots__ = ("code",)

    def __init__(self, line: bytes) -> None:
        word = line.split(b" ", 1)[0].decode("ascii", "replace")
        self.code = word if word.isascii() and word.isalpha() and len(word) <= 32 else "ERR"

    def __repr__(self) -> str:
        return f"Refusal({self.code})"


def encoded(*words: bytes | str | int) -> bytes:
    """One command."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Parser:
    """Replies from a stream, in pieces of any size. Each byte is looked at once.

    `most_bytes` bounds one reply; more than that, or what is no RESP, is a CollectFailure.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._buffer = bytearray()
        self._at = 0
        self._taken = 0
        self._searched = 0
        self._bulk = -1
        self._stack: list[tuple[int, list[object]]] = []

    def feed(self, data: bytes) -> None:
        """Take what came."""
        if self._at > 64 * 1024 and self._at * 2 > len(self._buffer):
            self._cut()
        self._buffer += data

    def _cut(self) -> None:
        del self._buffer[: self._at]
        self._searched = max(0, self._searched - self._at)
        self._at = 0

    @property
    def waiting_bytes(self) -> int:
        """How much came that is not read yet."""
        return len(self._buffer) - self._at

    def skip_to(self, marker: bytes) -> int:
        """Give up what came before the last marker; how many markers were given up.

        For messages that come faster than they are wanted; only between two replies.
        """
        last = self._buffer.rfind(marker, self._at)
        if last < 0 or self._stack or self._bulk >= 0:
            return 0
        given_up = self._buffer.count(marker, self._at, last)
        del self._buffer[:last]
        self._at = self._searched = self._taken = 0
        return given_up

    def next(self) -> tuple[Reply] | None:
        """The next reply, in a tuple because None is one; None while it is not complete."""
        while True:
            value = self._value()
            if value is None:
                return None
            (item,) = value
            if isinstance(item, _Array):
                if item.length:
                    if len(self._stack) >= MOST_DEPTH:
                        raise _no_resp()
                    self._stack.append((item.length, []))
                    continue
                done: object = []
            else:
                done = item
            while self._stack:
                length, members = self._stack[-1]
                members.append(done)
                if len(members) < length:
                    break
                self._stack.pop()
                done = members
            else:
                self._taken = 0
                return (done,)

    def _value(self) -> tuple[object] | None:
        """One header with what belongs to it; None while it is not complete."""
        if self._bulk < 0:
            line = self._line()
            if line is None:
                return None
            kind, rest = line[:1], line[1:]
            if kind == b"+":
                return (rest,)
            if kind == b"-":
                return (Refusal(rest),)
            number = _number(rest)
            if kind == b":":
                return (number,)
            if kind not in (b"$", b"*"):
                raise _no_resp()
            if number < 0:
                return (None,)
            if number > self._most - self._taken:
                raise self._too_large()
            if kind == b"*":
                return (_Array(number),)
            self._bulk = number
        end = self._at + self._bulk
        if len(self._buffer) < end + 2:
            return None
        data = bytes(self._buffer[self._at : end])
        if self._buffer[end : end + 2] != b"\r\n":
            raise _no_resp()
        self._take(self._bulk + 2)
        self._bulk = -1
        return (data,)

    def _line(self) -> bytes | None:
        found = self._buffer.find(b"\r\n", max(self._at, self._searched - 1))
        if found < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) - self._at > LONGEST_LINE:
                raise _no_resp()
            return None
        line = bytes(self._buffer[self._at : found])
        self._take(len(line) + 2)
        return line

    def _take(self, count: int) -> None:
        self._at += count
        self._taken += count
        if self._taken > self._most:
            raise self._too_large()

    def _too_large(self) -> CollectFailure:
        return CollectFailure(Failure.TOO_LARGE, f"an answer is longer than {self._most} bytes")


class _Array:
    """The head of an array."""

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length = length


def _number(text: bytes) -> int:
    digits = text[1:] if text[:1] == b"-" else text
    if not digits.isdigit() or len(digits) > 20:
        raise _no_resp()
    return int(text)


def _no_resp() -> CollectFailure:
    return CollectFailure(Failure.PROTOCOL, "it does not speak the protocol of Redis")
