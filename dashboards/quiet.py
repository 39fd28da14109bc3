"""Nought, said aloud: quiet must not look like broken.

What counts troubles has no series while there is none, and a panel without data looks the same as
one whose Plimsoll is not scraped. So such queries answer a nought while nothing is found, and only
while Plimsoll is scraped.
"""

NOUGHT = "max(plimsoll_collector_up) * 0"


def or_none(expr: str, label: str) -> str:
    """What is found, else a nought whose `label` says `none`; nothing where nobody is scraped."""
    none = f'label_replace({NOUGHT}, "{label}", "none", "", "")'
    return f"{expr}\n  or {none} unless on () ({expr})"
