"""The pages of the demo shop, with the beacon in them; 1.5.0 has a second mistake, in one of them.

A product's page asks an experiments service what to show before it shows anything: 400 ms in which
its largest part is missing. Servers notice nothing of it, browsers do.
"""

from collections.abc import Callable
from html import escape

from api.built import built

RELEASE = "shop@{}"
APP, KEY = "shop", "demo-shop"
HERO = "hero"
EXPERIMENT_SECONDS = 0.4
TEMPLATES = ("/", "/product/:id", "/cart")
STYLE = (
    "body{font:18px sans-serif;margin:2em;max-width:50em}"
    f"#{HERO}{{font-size:44px;min-height:5em;margin:1em 0}}"
)


def page(version: str, title: str, hero: str, plimsoll_url: str, *, late: bool = False) -> str:
    """One page; `late` is whether its largest part waits for the experiments service."""
    said = escape(hero)
    body = f'<p id="{HERO}">{"" if late else said}</p>'
    if late:
        body += (
            "<script>fetch('/experiments').then(r=>r.json()).then(()=>"
            f"document.getElementById('{HERO}').textContent={said!r})</script>"
        )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>{beacon(version, plimsoll_url)}</head><body>"
        '<nav><a href="/">Shop</a> <a href="/product/17">Product</a> <a href="/cart">Cart</a></nav>'
        f"<h1>{escape(title)}</h1>{body}</body></html>"
    )


def beacon(version: str, plimsoll_url: str) -> str:
    """The tag that `plimsoll beacon snippet --attribution` prints; none without a Plimsoll."""
    if not plimsoll_url:
        return ""
    file = built("attr.js")
    release = RELEASE.format(version)
    return (
        f'<script async src="{escape(plimsoll_url)}/{file.address}" integrity="{file.integrity}" '
        f'crossorigin="anonymous" data-app="{KEY}" data-release="{release}"></script>'
    )


LINE = "A quiet line that says how deep a ship may safely sit. "


def pages(plimsoll_url: str, slow: str) -> dict[str, Callable[[str], str]]:
    """The pages by their template, each made from the version that runs."""
    return {
        "/": lambda version: page(version, "The demo shop", LINE * 4, plimsoll_url),
        "/product/{item}": lambda version: page(
            version, "A product", LINE * 6, plimsoll_url, late=version == slow
        ),
        "/cart": lambda version: page(version, "Your cart", LINE * 3, plimsoll_url),
    }
