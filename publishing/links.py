"""The links that lead out of the documentation: which there are, and which of them still answer.

Asking needs the network, so it is a command of its own and no part of the tests.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TextIO

import httpx

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")
# Addresses of the reader's own machine, and of examples, lead nowhere by design.
NOBODY = re.compile(r"^https?://(127\.|localhost|[\w.-]*\.?example(\.org|\.com)?([:/]|$))")
SECONDS = 20.0


class Fate(StrEnum):
    """What became of asking for a link."""

    ANSWERS = "answers"
    MOVED = "moved"
    GONE = "gone"
    UNCLEAR = "unclear"


def external(root: Path) -> dict[str, list[str]]:
    """Every external link outside of code, sorted, with the pages it stands on."""
    found: dict[str, list[str]] = {}
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "client").glob("*.md")]
    for page in sorted(pages):
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for match in LINK.finditer(text):
            address = match[1] or match[2]
            name = str(page.relative_to(root))
            if not NOBODY.match(address) and name not in found.setdefault(address, []):
                found[address].append(name)
    return dict(sorted((address, pages) for address, pages in found.items() if pages))


def fate(status: int) -> Fate:
    """What a status says; sites that turn programs away (401, 403, 429) and 5xx say nothing."""
    if status in (404, 410):
        return Fate.GONE
    if status in (301, 308):
        return Fate.MOVED
    if status < 400:
        return Fate.ANSWERS
    return Fate.UNCLEAR


def ask(address: str) -> tuple[Fate, str]:
    """Ask for one link, once, without following it elsewhere."""
    try:
        answer = httpx.get(address, timeout=SECONDS, headers={"User-Agent": "plimsoll-docs"})
    except httpx.HTTPError as error:
        return Fate.UNCLEAR, type(error).__name__
    return fate(answer.status_code), str(answer.headers.get("location", answer.status_code))


def asked(
    found: Mapping[str, list[str]],
    told: TextIO,
    ask: Callable[[str], tuple[Fate, str]] = ask,
) -> list[str]:
    """Ask for each link and tell what became of it; the ones that are gone."""
    gone = []
    for address, pages in found.items():
        became, detail = ask(address)
        if became is not Fate.ANSWERS:
            told.write(f"{became}: {address} ({detail}) on {', '.join(pages)}\n")
        if became is Fate.GONE:
            gone.append(address)
    told.write(f"{len(found)} links, {len(gone)} gone\n")
    return gone
