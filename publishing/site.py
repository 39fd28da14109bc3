"""Builds the documentation as a static site, or lists and asks the links that lead out of it.

    scripts/docs            the site, in build/site; a warning is an error
    scripts/docs links      every external link, with the pages it stands on
    scripts/docs links ask  asks each once; ends with 1 when one is gone

The site needs no server: open build/site/index.html, or copy the folder to any web server.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from publishing import links

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "site"
INDEX = "docs/index.html"
REDIRECT = (
    "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Plimsoll</title>\n"
    f'<meta http-equiv=refresh content="0; url={INDEX}">\n<a href={INDEX}>Plimsoll</a>\n'
)


def build(sources: Path, site: Path) -> int:
    """Make the site of a checkout; what Sphinx found goes to standard error, 0 when nothing.

    Links and anchors inside are checked, and that every page is in the navigation.
    """
    from sphinx.cmd.build import main as sphinx

    options = ["-b", "html", "--fail-on-warning", "--keep-going", "--quiet"]
    places = ["-c", str(ROOT / "docs"), "-d", f"{site}.cache", str(sources), str(site)]
    ended: int = sphinx([*options, *places])
    if ended == 0:
        (site / "index.html").write_text(REDIRECT, encoding="utf-8")
    return ended


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when all is well, 1 when something has to be mended."""
    parser = argparse.ArgumentParser(
        prog="scripts/docs", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("build", "links"), default="build")
    parser.add_argument("how", nargs="?", choices=("list", "ask"), default="list")
    given = parser.parse_args(arguments)
    if given.what == "build":
        if build(ROOT, SITE) != 0:
            return 1
        sys.stdout.write(f"{SITE.relative_to(ROOT)}/index.html\n")
        return 0
    found = links.external(ROOT)
    if given.how == "list":
        for address, pages in found.items():
            sys.stdout.write(f"{address}  {', '.join(pages)}\n")
        return 0
    gone = links.asked(found, sys.stdout)
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
