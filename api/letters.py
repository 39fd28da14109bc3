"""Which characters a text from outside may hold, as patterns that OpenAPI and the checks share.

Texts are printed in terminals, pages and messages, so control characters, and those that nobody
sees or that turn the direction of writing, are refused. A pattern is read alike by ECMA-262 (which
JSON Schema asks for), Rust's `regex` (pydantic) and Python's `re`.
"""

import re

UNSEEN = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb"
)
BLANKS = r" \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"

PLAIN = rf"^[^{UNSEEN}]*$"
"""No control characters."""

LINES = rf"^(?:[^{UNSEEN}]|[\t\n\r\u00ad\u200b-\u200f\u2060\ufeff])*$"
"""Lines of text as people write them, also with what joins words and emoji."""

WORDS = rf"^[^{UNSEEN}]*[^{UNSEEN}{BLANKS}][^{UNSEEN}]*$"
"""The same, and something that can be seen."""

LENGTH = (
    r"^(?:[1-9][0-9]{0,3}(?:\.[0-9]{1,3})?(?:ms|[smhd])|[1-9][0-9]{0,2}(?:\.[0-9]{1,3})?w){1,4}$"
)
"""A length of time such as `90s` or `1h30m`."""

CURSOR = r"^[A-Za-z0-9_.-]+$"

TOLD = {
    PLAIN: "must not hold control characters",
    LINES: "must not hold control characters",
    WORDS: "must hold something that can be seen, and no control characters",
    CURSOR: "is not `next_cursor` of a page",
}
"""What is wrong with a text that does not fit, in place of the pattern."""


def plain(text: str) -> str:
    """The text as it is; a `ValueError` that says what is wrong where it holds what nobody sees."""
    if re.match(PLAIN, text) is None:
        raise ValueError(TOLD[PLAIN])
    return text
