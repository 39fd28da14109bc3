"""Query texts without anything that a person put into them, and their fingerprints. Pure.

pg_stat_statements replaces constants, but not always: a statement that was evicted or reset while
it ran, and every utility statement, stands there as it was sent. So every text is read token by
token here, and of constants nothing is left; comments go too, since drivers write trace ids and
user names into them. A grammar would be no help: what it cannot read is just what must not slip
through, and its spelling changes with its version, which would give every statement a new name.
"""

import hashlib
import re

OWN = "/* plimsoll */"
"""What our own statements begin with, so that they can be left out."""

CONSTANT = "?"

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<line>--[^\n]*)
  | (?P<block>/\*)
  | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z))
  | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z))
  | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*(?:"|\Z))
  | (?P<parameter>\$\d+)
  | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
  | (?P<number>(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)\w*)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<operator>(?:(?!--|/\*)[<>=!~|&@\#%^`+*/?-])+|::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SECRET = re.compile(
    r"\s*(create|alter)\s+(role|user|group|subscription|server|user\s+mapping|system|foreign)\b",
    re.IGNORECASE,
)
_PLANNED = frozenset(
    {"select", "insert", "update", "delete", "merge", "with", "values", "table", "("}
)
"""What statements begin with that are no utility statements."""

_NOT_BEFORE_A_CONSTANT = frozenset({"is", "not", "default", "set"})
_CONSTANT_WORDS = frozenset({"null", "true", "false"})
_VALUE_ENDS = frozenset({CONSTANT, ")", "]"})


def is_own(text: str) -> bool:
    """Whether the statement is one of ours."""
    return text.lstrip().startswith(OWN)


def scrubbed(text: str) -> str | None:
    """The text without constants and comments, on one line; None where nothing of it may be kept.

    Whatever makes passwords is not kept at all: their place in the grammar changes with versions.
    """
    tokens = _tokens(text)
    if not tokens:
        return None
    plain = _joined(_settings(tokens))
    if _SECRET.match(plain):
        return None
    if tokens[0].lower() not in _PLANNED and "password" in text.lower():
        return None
    return plain


def fingerprint(scrubbed_text: str) -> str:
    """A name for a statement that stays when lists grow, servers change and texts are respelt.

    16 hexadecimal digits of SHA-256 over the words in lower case, with lists of constants as one
    constant.
    """
    folded = [one if one[:1] == '"' else one.lower() for one in _words(scrubbed_text)]
    words = " ".join(_folded(folded))
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _tokens(text: str) -> list[str]:
    """Words, operators and `?` for each constant."""
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:  # cannot be: the last alternative takes any character
            break
        kind, token = match.lastgroup, match.group()
        position = match.end()
        match kind:
            case "space" | "line":
                continue
            case "block":
                position = _end_of_comment(text, position)
            case "dollar":
                end = text.find(token, position)
                position = len(text) if end < 0 else end + len(token)
                found.append(CONSTANT)
            case "string":
                if found[-1:] != [CONSTANT]:  # a string may go on behind a line's end
                    found.append(CONSTANT)
                if "\\'" in token:
                    # With standard_conforming_strings off it goes on. Nobody here knows, so
                    # nothing after it is kept.
                    break
            case "escaped" | "parameter":
                found.append(CONSTANT)
            case "number":
                _drop_sign(found)
                found.append(CONSTANT)
            case "word" if token.lower() in _CONSTANT_WORDS and not _names(found):
                found.append(CONSTANT)
            case "operator":
                found.extend(_operators(token))
            case _:
                found.append(token)
    while found and found[-1] == ";":
        found.pop()
    return found


def _operators(token: str) -> list[str]:
    """Signs at the end of an operator are operators of their own, as PostgreSQL reads it: `=-`."""
    if len(token) == 1 or any(one in "~!@#%^&|`?" for one in token):
        return [token]
    bare = token.rstrip("+-")
    return [one for one in (bare, *token[len(bare) :]) if one]


def _settings(tokens: list[str]) -> list[str]:
    """SET and ALTER ... SET take words without quotes as values: nothing behind `=` is kept."""
    lower = [one.lower() for one in tokens]
    if lower[0] not in ("set", "alter") or "set" not in lower:
        return tokens
    begin = lower.index("set")
    for position in range(begin, len(tokens)):
        if lower[position] in ("=", "to"):
            return [*tokens[: position + 1], CONSTANT]
    return tokens


def _end_of_comment(text: str, position: int) -> int:
    """Behind the comment that begins before `position`; comments may hold comments."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, position):
        depth += 1 if match.group() == "/*" else -1
        if not depth:
            return match.end()
    return len(text)


def _drop_sign(found: list[str]) -> None:
    """A sign that belongs to the number, as the server counts it to the constant."""
    if not found or found[-1] != "-":
        return
    before = found[-2] if len(found) > 1 else "("
    if (
        before in _VALUE_ENDS
        or (before[0].isalnum() and not _is_keyword(before))
        or (before[0] in '"_')
    ):
        return
    found.pop()


def _is_keyword(word: str) -> bool:
    return word.lower() in {
        "and", "or", "not", "when", "then", "else", "between", "limit", "offset", "in", "select",
        "where", "by", "on", "like", "returning", "values", "case", "set", "all", "any", "having",
    }  # fmt: skip


def _names(found: list[str]) -> bool:
    """Whether a word like `null` is part of the grammar here, and no constant."""
    return bool(found) and found[-1].lower() in _NOT_BEFORE_A_CONSTANT


def _joined(tokens: list[str]) -> str:
    """Tokens as a person would write them, on one line."""
    parts: list[str] = []
    for token in tokens:
        tight = not parts or token in (",", ")", "]", ";", ".", "::", "[")
        call = token == "(" and bool(parts) and _calls(parts[-1])
        if parts and not tight and not call and parts[-1] not in ("(", "[", ".", "::"):
            parts.append(" ")
        parts.append(token)
    return "".join(parts)


def _calls(word: str) -> bool:
    """Whether a parenthesis right behind this word is that of a call."""
    spaced = {
        "and", "or", "not", "in", "any", "all", "exists", "values", "from", "as", "on", "using",
        "select", "where", "when", "then", "else", "union", "by", "join", "with", "into", "over",
    }  # fmt: skip
    return bool(word) and (word[-1].isalnum() or word[-1] in '_"') and word.lower() not in spaced


def _words(text: str) -> list[str]:
    """The tokens of a text that is scrubbed already."""
    return [
        match.group() for match in _TOKEN.finditer(text) if match.lastgroup not in ("space", "line")
    ]


def _folded(words: list[str]) -> list[str]:
    """Lists of constants as one constant, and rows of constants as one row."""
    found: list[str] = []
    for word in words:
        found.append(word)
        while found[-3:] == [CONSTANT, ",", CONSTANT]:
            del found[-2:]
        if word == ")":
            while found[-7:] == ["(", CONSTANT, ")", ",", "(", CONSTANT, ")"]:
                del found[-4:]
    return found
