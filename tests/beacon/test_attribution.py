"""What is kept of the element, resource and script behind a metric, in Node."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.node import installed, run

SOURCE = Path(__file__).parents[2] / "beacon"
PROGRAM = """
globalThis.self = globalThis;
globalThis.location = { origin: 'https://shop.example' };
const { attribute } = await import('./attribution.mjs');
console.log(JSON.stringify(JSON.parse(process.argv[2]).map((one) => attribute(one) ?? null)));
"""
PARTS = {
    "timeToFirstByte": 90.4,
    "resourceLoadDelay": 0,
    "resourceLoadDuration": 0.6,
    "elementRenderDelay": 85,
}
ADDRESSES = {
    "https://shop.example/img/hero.avif?token=secret#x": "/img/hero.avif",
    "https://shop.example/users/4711/me.png": "/users/:id/me.png",
    "https://cdn.example/hero.avif": "https://cdn.example/hero.avif",
    "data:image/png;base64,iVBORw0KGgo": "data:",
    "blob:https://shop.example/0b54f2e4-9d0c-4f5e-8a43-1f0f3f0f7d11": "blob:",
    "https://cdn.example/" + "x/" * 200 + "hero.avif": ("x/" * 200 + "hero.avif")[-120:],
    "": None,
}


def lcp(url: str, target: str = "#hero") -> dict[str, Any]:
    return {"name": "LCP", "attribution": {"url": url, "target": target, **PARTS}}


def inp(**script: str) -> dict[str, Any]:
    attribution = {
        "interactionTarget": "main>" * 40 + "button",
        "interactionType": "pointer",
        "inputDelay": 1.2,
        "processingDuration": 300.5,
        "presentationDelay": 2,
        "longestScript": {"entry": script},
    }
    return {"name": "INP", "attribution": attribution}


def attributed(metrics: list[dict[str, Any]], folder: Path) -> list[dict[str, Any] | None]:
    """What the beacon sends of each."""
    esbuild = installed(SOURCE) / "node_modules/esbuild/bin/esbuild"
    out = folder / "attribution.mjs"
    run(esbuild, "src/attribution.ts", "--bundle", f"--outfile={out}", "--format=esm", cwd=SOURCE)
    (folder / "program.mjs").write_text(PROGRAM)
    found: list[dict[str, Any] | None] = json.loads(
        run("node", "program.mjs", json.dumps(metrics), cwd=folder)
    )
    return found


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = attributed([lcp(url) for url in ADDRESSES], tmp_path_factory.mktemp("resources"))
    return {url: one and one.get("x") for url, one in zip(ADDRESSES, found, strict=True)}


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_loses_what_is_private_and_what_is_content(
    resources: dict[str, Any], url: str
) -> None:
    assert resources[url] == ADDRESSES[url]


def test_lcp_tells_its_element_and_its_parts(tmp_path: Path) -> None:
    told, cut, bare = attributed([lcp("", "#hero"), lcp("", "x" * 100), lcp("", "")], tmp_path)

    assert told == {"e": "#hero", "d": [90, 0, 1, 85]}
    assert cut is not None
    assert cut["e"] == "x" * 80
    assert bare == {"d": [90, 0, 1, 85]}


def test_inp_tells_its_target_its_parts_and_its_script(tmp_path: Path) -> None:
    script = {"sourceURL": "https://shop.example/app.js?v=7", "sourceFunctionName": "f" * 100}
    (told,) = attributed([inp(**script)], tmp_path)

    assert told is not None
    assert (told["y"], told["d"], told["s"], told["f"]) == (
        "pointer",
        [1, 301, 2],
        "/app.js",
        "f" * 80,
    )
    assert len(told["e"]) == 80
    assert told["e"].endswith(">button")


def test_nothing_else_is_attributed(tmp_path: Path) -> None:
    names = ("CLS", "FCP", "TTFB")

    assert attributed([{"name": name, "attribution": {}} for name in names], tmp_path) == [None] * 3
