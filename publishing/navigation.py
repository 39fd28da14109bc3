"""The navigation of the site, read from the page that people read on a forge too.

`docs/index.md` has headings with tables below them, and each row begins with a link. One list of
pages for both readers: what stands in no table is in no navigation, which the build refuses.
"""

import posixpath
import re

HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
ROW = re.compile(r"^\| \[(?P<title>[^\]]+)\]\((?P<path>[^)#\s]+\.md)\) \|", re.MULTILINE)

# What belongs to a page that lists it: folders, by the page before them.
BELOW = {"docs/runbooks": "docs/runbooks/*"}


def sections(index: str) -> dict[str, list[tuple[str, str]]]:
    """Each heading with its rows, as (title, path); a heading without rows is left out."""
    parts = HEADING.split(index)[1:]
    found = {}
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        rows = [(row["title"], row["path"]) for row in ROW.finditer(text)]
        if rows:
            found[title] = rows
    return found


def trees(index: str, folder: str) -> str:
    """The hidden trees that stand below the index, in MyST's words.

    `folder` is where the index stands; a tree names pages from the root of the sources.
    """
    return "".join(
        tree([f"{title} </{name(path, folder)}>" for title, path in rows], caption)
        for caption, rows in sections(index).items()
    )


def tree(entries: list[str], caption: str = "") -> str:
    """One hidden tree."""
    options = [":hidden:", ":glob:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "", "```{toctree}", *options, "", *entries, "```", ""])


def name(path: str, folder: str) -> str:
    """A page as Sphinx names it: from the root, without its ending."""
    return posixpath.normpath(posixpath.join(folder, path)).removesuffix(".md")


def completed(page: str, source: str, index: str) -> str:
    """The source of a page with the trees that belong to it."""
    if page == index:
        return source + trees(source, posixpath.dirname(index))
    if page in BELOW:
        return source + tree([f"/{BELOW[page]}"])
    return source
