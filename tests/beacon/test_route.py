"""The heuristic for routes where a page names none, and what is kept of an address."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.node import installed, run

SOURCE = Path(__file__).parents[2] / "beacon"
HOST = "https://shop.example"
UUID = "0b54f2e4-9d0c-4f5e-8a43-1f0f3f0f7d11"
ROUTES = {
    "/": "/",
    "/checkout": "/checkout",
    "/cart/4711": "/cart/:id",
    "/cart/4711/": "/cart/:id/",
    "/users/4711/orders/12": "/users/:id/orders/:id",
    "/1/2/3": "/:id/:id/:id",
    f"/orders/{UUID}": "/orders/:id",
    f"/orders/{UUID.upper()}": "/orders/:id",
    "/commit/deadbeef01": "/commit/:id",
    "/commit/deadbee": "/commit/deadbee",
    "/people/ada@example.org/mail": "/people/:id/mail",
    "/people/ada%40example.org": "/people/:id",
    f"/share/{'x' * 40}": "/share/:id",
    f"/share/{'x' * 39}": f"/share/{'x' * 39}",
    "/search?q=secret": "/search",
    "/page#/secret": "/page",
    "/v2/products": "/v2/products",
    "/2026-11-21": "/2026-11-21",
    "/" + "ab/" * 100: ("/" + "ab/" * 100)[:200],
}
PROGRAM = """
import { routeOf, withoutIds } from './route.mjs';
globalThis.self = globalThis;
const [addresses, hooks] = process.argv.slice(2).map((one) => JSON.parse(one));
console.log(JSON.stringify([
  ...addresses.map((one) => routeOf(one)),
  ...hooks.map((one) => routeOf('https://shop.example/cart/4711', eval(one))),
]));
"""


def routes(addresses: list[str], folder: Path, hooks: Sequence[str] = ()) -> list[str]:
    """What the beacon makes of each address, then of one under each hook, in Node."""
    esbuild = installed(SOURCE) / "node_modules/esbuild/bin/esbuild"
    run(esbuild, "src/route.ts", f"--outfile={folder}/route.mjs", "--format=esm", cwd=SOURCE)
    (folder / "program.mjs").write_text(PROGRAM)
    answer = run("node", "program.mjs", json.dumps(addresses), json.dumps(hooks), cwd=folder)
    found: list[str] = json.loads(answer)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    addresses = [f"{HOST}{path}" for path in ROUTES]
    found = routes(addresses, tmp_path_factory.mktemp("route"))
    return dict(zip(ROUTES, found, strict=True))


@pytest.mark.parametrize("path", ROUTES)
def test_what_looks_like_an_id_is_taken_out(made: dict[str, str], path: str) -> None:
    assert made[path] == ROUTES[path]


def test_what_is_no_address_has_the_route_of_the_root(tmp_path: Path) -> None:
    assert routes(["", "nowhere", "about:srcdoc"], tmp_path) == ["/", "/", "srcdoc"]


def test_what_a_page_names_is_taken_as_far_as_it_can_be(tmp_path: Path) -> None:
    hooks = {
        "(url) => url.pathname.replace(/4711/, ':cart')": "/cart/:cart",
        "() => { throw new Error('no') }": "/cart/:id",
        "() => {}": "/cart/:id",
        "() => ''": "/cart/:id",
        "() => '/x'.repeat(500)": "/x" * 100,
        "() => 7": "7",
    }

    assert routes([], tmp_path, list(hooks)) == list(hooks.values())
