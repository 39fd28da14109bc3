"""How Sphinx makes the site: the repository's Markdown as it stands, links and anchors checked.

Started by `scripts/docs`. The sources are the whole repository, so that links between `docs/`, the
README and the client's page lead somewhere on a forge and on the site.
"""

import sys
from pathlib import Path

from pygments.lexers.javascript import TypeScriptLexer
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from publishing.navigation import completed  # noqa: E402

project = "Plimsoll"
author = "The Plimsoll maintainers"
copyright = author
root_doc = "docs/index"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "client/README.md",
    "docs/*.md",
    "docs/*/*.md",
]
# Nothing below these is looked at; without them Sphinx walks through environments and modules.
exclude_patterns = sorted(
    one.name
    for one in ROOT.iterdir()
    if one.is_dir() and one.name not in ("docs", "client")
)  # fmt: skip

highlight_language = "none"
myst_heading_anchors = 4  # the anchors that a forge makes
nitpicky = True

html_theme = "furo"
html_title = "Plimsoll"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_last_updated_fmt = None
html_theme_options = {"sidebar_hide_name": False}
html_static_path: list[str] = []


def setup(application: Sphinx) -> dict[str, bool]:
    """Put the navigation below the pages that have one."""

    def read(_application: Sphinx, page: str, source: list[str]) -> None:
        source[0] = completed(page, source[0], root_doc)

    application.connect("source-read", read)
    application.add_lexer("mtail", TextLexer)  # nobody knows it
    application.add_lexer("tsx", TypeScriptLexer)  # Pygments' own stumbles over `as const` in JSX
    return {"parallel_read_safe": True, "parallel_write_safe": True}
