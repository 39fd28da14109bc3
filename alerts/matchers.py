"""Conditions on labels as Alertmanager writes them: `severity="critical"`, `{a=~"b.*"}`. Pure.

There are two grammars: the classic one, in which nearly everything may stand without quotes, and
the newer one, in which names and values may be any UTF-8 text in double quotes. Both are read as
Alertmanager reads them since 0.27: where only one takes a text it counts, and where they disagree
the classic one does. (https://prometheus.io/docs/alerting/latest/configuration/#matcher)
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from storage.series import Match, Matcher, check_regex

_CLASSIC = re.compile(
    r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL | re.ASCII
)
_TOKEN = re.compile(
    r'\s*(?:(?P<brace>[{}])|(?P<comma>,)|(?P<op>=~|!=|!~|=)|(?P<quoted>"(?:[^"\\\n]|\\.)*")'
    r"|(?P<plain>[^\s{}!=~,\\\"'`]+))"
)
_ESCAPE = re.compile(
    r"\\(?:(?P<one>[abfnrtv\\\"])|x(?P<x>[0-9a-fA-F]{2})|(?P<o>[0-7]{3})"
    r"|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<bad>.?))",
    re.DOTALL,
)
_ONE = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
# RE2 has these and Python's `re` has not, or means something else by them.
_FOREIGN = re.compile(r"(?<!\\)(?:\\\\)*\\(?:[pPQECz])|\[\[:\^?\w+:\]")
_ORDER = {Match.EQUAL: 0, Match.NOT_EQUAL: 1, Match.REGEX: 2, Match.NOT_REGEX: 3}


class MatcherError(ValueError):
    """A text that is no matcher; the message quotes it."""


def parse(text: str) -> tuple[Matcher, ...]:
    """The matchers of one text, in its order; a MatcherError says what cannot be read."""
    classic: tuple[Matcher, ...] | MatcherError
    try:
        classic = tuple(_classic(text))
    except MatcherError as error:
        classic = error
    try:
        newer = tuple(_newer(text))
    except MatcherError:
        newer = ()
        if isinstance(classic, MatcherError):
            raise classic from None
    return newer if isinstance(classic, MatcherError) else classic


def parse_one(text: str) -> Matcher:
    """The one matcher of a text; a MatcherError where there is none or more than one."""
    found = parse(text) if text[:1] != "{" and text[-1:] != "}" else ()
    if len(found) != 1:
        raise MatcherError(f"{text!r} is not one matcher like name=value")
    return found[0]


def made(name: str, op: Match, value: str) -> Matcher:
    """A matcher whose regular expression is checked; a MatcherError quotes a wrong one."""
    if op in (Match.REGEX, Match.NOT_REGEX):
        if _FOREIGN.search(value):
            raise MatcherError(
                f"{value!r} uses \\p, \\Q, \\C, \\z or [[:class:]], which Plimsoll does not read: "
                "write the characters out"
            )
        try:
            check_regex(value)
        except ValueError as error:
            raise MatcherError(str(error)) from None
    return Matcher(name, op, value)


def in_order(matchers: Iterable[Matcher]) -> tuple[Matcher, ...]:
    """By name, then value, then operator, as Alertmanager prints and keys them."""
    return tuple(sorted(matchers, key=lambda one: (one.name, one.value, _ORDER[one.op])))


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether all conditions hold; an absent label is the empty text."""
    return all(one.accepts(labels.get(one.name, "")) for one in matchers)


def shown(matchers: Iterable[Matcher]) -> str:
    """`{a="b",c=~"d"}`."""
    return "{" + ",".join(map(str, matchers)) + "}"


def _classic(text: str) -> Iterator[Matcher]:
    """The classic grammar, tolerant of missing quotes and spurious backslashes."""
    text = text.removeprefix("{").removesuffix("}")
    for token in _pieces(text):
        found = _CLASSIC.fullmatch(token)
        if found is None:
            raise MatcherError(f"{token!r} is not a matcher like name=value or name=~regex")
        yield made(found[1], Match(found[2]), _classic_value(found[3]))


def _pieces(text: str) -> Iterator[str]:
    """The text cut at commas outside of quotes; an empty end is no piece."""
    piece, inside, escaped = "", False, False
    for char in text:
        if char == "," and not inside:
            yield piece
            piece = ""
            continue
        if char == '"':
            inside, escaped = (inside, False) if escaped else (not inside, escaped)
        elif char != ",":
            escaped = not escaped if char == "\\" else False
        piece += char
    if piece.strip():
        yield piece.strip()


def _classic_value(raw: str) -> str:
    """A value without its quotes; `\\n`, `\\"` and `\\\\` mean what they say, others stay."""
    quoted = raw.startswith('"')
    body = raw[1:] if quoted else raw
    value, escaped, closed = "", False, not quoted
    last = len(body) - 1
    for i, char in enumerate(body):
        if escaped:
            escaped = False
            value += {"n": "\n", '"': '"', "\\": "\\"}.get(char, f"\\{char}")
        elif char == "\\" and i < last:
            escaped = True
        elif char == '"':
            if not quoted or i < last:
                raise MatcherError(f"{raw!r} holds a double quote that is not escaped")
            closed = True
        else:
            value += char
    if not closed:
        raise MatcherError(f"{raw!r} has no closing double quote")
    return value


def _newer(text: str) -> Iterator[Matcher]:
    """The newer grammar: braces around all or none, every part quoted or free of reserved signs."""
    tokens = list(_tokens(text))
    if tokens[:1] == [("brace", "{")]:
        if tokens[-1:] != [("brace", "}")] or len(tokens) == 1:
            raise MatcherError(f"{text!r} has no closing brace")
        tokens = tokens[1:-1]
    while tokens:
        head = tokens[:3]
        kinds = [kind for kind, _ in head]
        named = [kind in ("quoted", "plain") for kind in kinds]
        if len(head) < 3 or not named[0] or kinds[1] != "op" or not named[2]:
            raise MatcherError(f"{text!r} is not a list of matchers like name=value")
        yield made(_unquoted(head[0]), Match(head[1][1]), _unquoted(head[2]))
        tokens = tokens[3:]
        if tokens and tokens[0][0] != "comma":
            raise MatcherError(f"{text!r} lacks a comma between two matchers")
        tokens = tokens[1:]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a text with their kinds."""
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise MatcherError(f"{text[position:].strip()!r} cannot be read as a matcher")
        yield found.lastgroup, found[found.lastgroup]
        position = found.end()


def _unquoted(token: tuple[str, str]) -> str:
    """A name or a value; escapes in quotes are those of Go's strings."""
    kind, text = token
    if kind == "plain":
        return text
    found = bytearray()
    position, body = 0, text[1:-1]
    for escape in _ESCAPE.finditer(body):
        found += body[position : escape.start()].encode()
        position = escape.end()
        if escape["one"]:
            found += _ONE[escape["one"]].encode()
        elif code := (escape["u"] or escape["U"]):
            found += _character(code, text)
        elif escape["bad"] is None:
            byte = int(escape["x"], 16) if escape["x"] else int(escape["o"], 8)
            found += byte.to_bytes(2)[-1:] if byte < 256 else _refused(text)
        else:
            _refused(text)
    found += body[position:].encode()
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise MatcherError(f"{text} is not UTF-8") from None


def _character(code: str, text: str) -> bytes:
    """A code point as UTF-8; halves of surrogate pairs are none."""
    try:
        return chr(int(code, 16)).encode()
    except (ValueError, UnicodeEncodeError):
        return _refused(text)


def _refused(text: str) -> bytes:
    raise MatcherError(f"{text} holds an escape that means nothing")
