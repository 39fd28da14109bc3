"""What most of these tests start from."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from client_tests.shapes import add_routes
from plimsoll_client.middleware import RequestMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of its own for every test."""
    return CollectorRegistry()


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A folder with one file."""
    (tmp_path / "a.js").write_text("1")
    return tmp_path


@pytest.fixture(params=["before the routes", "after the routes"])
def app(request: pytest.FixtureRequest, registry: CollectorRegistry, static: Path) -> FastAPI:
    """An application with every shape of route, measured."""
    app = FastAPI()
    if request.param == "before the routes":
        app.add_middleware(RequestMetrics, registry=registry)
    add_routes(app, static)
    if request.param == "after the routes":
        app.add_middleware(RequestMetrics, registry=registry)
    return app
