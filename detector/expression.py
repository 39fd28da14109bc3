"""What can be told of a user's PromQL without asking Prometheus. Pure."""

import re

PAIRS = {")": "(", "]": "[", "}": "{"}
STRINGS = re.compile(r"""\"(?:[^"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`""")


def check_closed(expression: str) -> None:
    """A ValueError where an expression is empty, or a bracket or a quote of it stands open.

    More than that only Prometheus knows; what it refuses is told where it is asked.
    """
    rest = STRINGS.sub("", expression)
    if not rest.strip():
        raise ValueError("the expression is empty")
    quote = next((one for one in rest if one in "\"'`"), None)
    if quote:
        raise ValueError(f"a {quote} is opened and not closed")
    open_: list[str] = []
    for one in rest:
        if one in PAIRS.values():
            open_.append(one)
        elif one in PAIRS and (not open_ or open_.pop() != PAIRS[one]):
            raise ValueError(f"a {one} closes what was not opened")
    if open_:
        raise ValueError(f"a {open_[-1]} is opened and not closed")
