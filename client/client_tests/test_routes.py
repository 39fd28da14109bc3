"""The route label, for every way of registering a route."""

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from client_tests.asking import ask, counted
from client_tests.shapes import ROUTERS_KEEP_MOUNTS, THING, UNMATCHED

SHAPES = [
    # what, method, path, root_path, route, status
    ("plain", "GET", "/plain/7", "", "/plain/{n}", 200),
    ("convertor", "GET", "/convertor/7/x", "", "/convertor/{n}/x", 200),
    ("422", "GET", "/plain/x", "", "/plain/{n}", 422),
    ("405", "DELETE", "/plain/7", "", "/plain/{n}", 405),
    ("refused by a dependency", "GET", "/guarded/2", "", "/guarded/{n}", 403),
    ("one endpoint, two routes, first", "GET", "/same/1", "", "/same/{n}", 200),
    ("included", "GET", "/api/outer/mid/v1/things/5", "", THING, 200),
    ("included, 422", "GET", "/api/outer/mid/v1/things/abc", "", THING, 422),
    ("included, 405", "DELETE", "/api/outer/mid/v1/things/5", "", THING, 405),
    ("included twice", "GET", "/again/v1/things/5", "", "/again/v1/things/{thing_id}", 200),
    ("included, exception", "GET", "/again/v1/boom", "", "/again/v1/boom", 500),
    ("starlette route", "GET", "/starlette/7", "", "/starlette/{x}", 200),
    ("starlette route, 405", "POST", "/starlette/7", "", "/starlette/{x}", 405),
    ("starlette, included", "GET", "/again/starlette/7", "", "/again/starlette/{x}", 200),
    ("mount", "GET", "/one/leaf/7", "", "/one/leaf/{n}", 200),
    ("mount with a parameter", "GET", "/sub/t9/leaf/7", "", "/sub/{tenant}/leaf/{n}", 200),
    ("mount, 422", "GET", "/sub/t9/leaf/x", "", "/sub/{tenant}/leaf/{n}", 422),
    ("mount, 405", "PUT", "/sub/t9/leaf/7", "", "/sub/{tenant}/leaf/{n}", 405),
    ("mount, included", "GET", "/sub/t9/more/z/5", "", "/sub/{tenant}/more/z/{n}", 200),
    ("mount, docs", "GET", "/sub/t9/docs", "", "/sub/{tenant}/docs", 200),
    (
        "mount in mount",
        *("GET", "/sub/t9/deep/3/inner/x", ""),
        *("/sub/{tenant}/deep/{level}/inner/{y}", 200),
    ),
    ("404 in a mount", "GET", "/sub/t9/scan.php", "", UNMATCHED, 404),
    ("404 in a mount in a mount", "GET", "/sub/t9/deep/3/scan.php", "", UNMATCHED, 404),
    ("files", "GET", "/static/a.js", "", "/static/{path}", 200),
    ("files, 404", "GET", "/static/b.js", "", "/static/{path}", 404),
    ("mount through middleware", "GET", "/wrapped/w/7", "", "/wrapped/w/{x}", 200),
    ("404 in a mount through middleware", "GET", "/wrapped/7", "", UNMATCHED, 404),
    ("docs", "GET", "/docs", "", "/docs", 200),
    ("openapi", "GET", "/openapi.json", "", "/openapi.json", 200),
    ("404", "GET", "/scan.php", "", UNMATCHED, 404),
    ("slash at the end", "GET", "/plain/7/", "", "/plain/{n}", 307),
    ("slash at the end, included", "GET", "/api/outer/mid/v1/things/5/", "", THING, 307),
    ("slash in a mount", "GET", "/sub/t9/leaf/7/", "", "/sub/{tenant}/leaf/{n}", 307),
    ("odd method", "BREW", "/plain/7", "", "/plain/{n}", 405),
    ("proxy", "GET", "/px/plain/7", "/px", "/plain/{n}", 200),
    ("proxy that cuts its prefix", "GET", "/plain/7", "/px", "/plain/{n}", 200),
    ("proxy, included", "GET", "/px/api/outer/mid/v1/things/5", "/px", THING, 200),
    ("proxy, mount", "GET", "/px/sub/t9/leaf/7", "/px", "/sub/{tenant}/leaf/{n}", 200),
    ("proxy, docs", "GET", "/px/docs", "/px", "/docs", 200),
    ("proxy with a prefix of another path", "GET", "/docs", "/do", "/docs", 200),
    ("proxy, 404", "GET", "/px/scan.php", "/px", UNMATCHED, 404),
]


@pytest.mark.parametrize(
    ("method", "path", "root_path", "route", "status"),
    [row[1:] for row in SHAPES],
    ids=[row[0] for row in SHAPES],
)
def test_a_request_counts_for_the_template_it_was_routed_by(
    app: FastAPI,
    registry: CollectorRegistry,
    method: str,
    path: str,
    root_path: str,
    route: str,
    status: int,
) -> None:
    ask(app, method, path, root_path)

    method = "OTHER" if method == "BREW" else method
    assert counted(registry) == {(method, route, str(status)): 1.0}


@pytest.mark.skipif(not ROUTERS_KEEP_MOUNTS, reason="include_router() drops mounts before 0.137")
@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/by/in/t/leaf/7", "/by/in/{x}/leaf/{n}", 200),
        ("/by/in/t/more/z/7", "/by/in/{x}/more/z/{n}", 200),
        ("/by/in/t/deep/3/inner/y", "/by/in/{x}/deep/{level}/inner/{y}", 200),
        ("/by/in/t/scan.php", UNMATCHED, 404),
    ],
)
def test_a_mount_in_an_included_router_keeps_the_prefix_of_the_router(
    app: FastAPI, registry: CollectorRegistry, path: str, route: str, status: int
) -> None:
    ask(app, "GET", path)

    assert counted(registry) == {("GET", route, str(status)): 1.0}
