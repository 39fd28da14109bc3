"""Text as Slack takes it: escaped, cut to a limit, and unable to ring anybody."""

import re
from urllib.parse import quote, urlsplit

ELLIPSIS = "…"
LONGEST_LINK = 900
# Line ends and controls would break the layout and terminals; direction marks turn text around;
# lone surrogates are no Unicode text and neither Slack nor a database takes them.
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_TURNING = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SHOUT = re.compile(r"@(?=(?:here|channel|everyone|group)\b)", re.IGNORECASE)
_UNFINISHED = re.compile(r"&[a-z]{0,3}\Z")
WHISPER = "@\u200b"  # a zero-width space: reads as @here, rings nobody


def clean(text: str) -> str:
    """One line of real text."""
    text = _SURROGATE.sub("\ufffd", _TURNING.sub("", text))
    return _SHOUT.sub(WHISPER, _CONTROL.sub(" ", text).strip())


def escape(text: str) -> str:
    """Clean text in which Slack finds no mention, code or entity of its own."""
    text = clean(text).replace("`", "'")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(escaped: str, limit: int) -> str:
    """At most `limit` code points, with an ellipsis, never ending inside an entity."""
    if len(escaped) <= limit:
        return escaped
    return _UNFINISHED.sub("", escaped[: limit - 1]).rstrip() + ELLIPSIS


def code(text: str, limit: int = 200) -> str:
    """Foreign text between backticks, where Slack reads no formatting and makes no links."""
    inner = cut(escape(text), limit)
    return f"`{inner}`" if inner else "`-`"


def link(url: str, label: str) -> str:
    """A link, or the bare text where the address is none that a browser should open."""
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname)
        fit = fit and not _SURROGATE.search(url)
    except ValueError:
        fit = False
    if not fit:
        return code(url)
    address = quote(url, safe="%/:?#[]@!$&'()*+,;=~").replace("&", "&amp;")
    if len(address) > LONGEST_LINK:
        return code(url)
    return f"<{address}|{escape(label).replace('|', '/')}>"


def plain(escaped: str) -> str:
    """Back from Slack's entities, for a terminal."""
    text = escaped.replace(WHISPER, "@")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
