"""The client alone: its wheel in environments that hold nothing of this folder.

Three of them, with the oldest FastAPI that is promised (and the oldest prometheus-client), with the
first one that hides the prefixes of its routers, and with the newest there is. Each takes what the
package index gives; without one the tests are skipped, and fail where `CI=true`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.postgres import postgres
from tests.servers import missing

CLIENT = Path(__file__).parents[1]
ENVIRONMENTS = {
    "oldest": ("fastapi==0.115.0", "prometheus-client==0.20.0"),
    "routers hide prefixes": ("fastapi==0.137.2",),
    "newest": ("fastapi",),
}
# Of client_tests, what depends on the version of the framework or of prometheus-client.
VERSION_TESTS = (
    "test_routes.py", "test_unusual_routes.py", "test_middleware.py", "test_families.py",
    "test_exposition.py", "test_timing.py", "test_runtime.py", "test_functions.py",
    "test_cache.py", "test_business.py",
)  # fmt: skip
# Modules that need an extra, and what each says is missing without it.
NEEDS_MORE = {
    "api": "api needs httpx", "api_async": "api needs httpx", "api_sync": "api needs httpx",
    "deployments": "deployments needs httpx",
    "sqlalchemy_engine": "sqlalchemy_engine needs SQLAlchemy",
}  # fmt: skip
MODULES = sorted(
    file.stem
    for file in (CLIENT / "plimsoll_client").glob("*.py")
    if file.stem not in ("__init__", "conversation", *NEEDS_MORE)
)

USE_IT = """
import asyncio, importlib, sys
for name in {modules}:
    importlib.import_module(f"plimsoll_client.{{name}}")
import plimsoll_client
assert "site-packages" in plimsoll_client.__file__, plimsoll_client.__file__
for name in ("httpx", "psycopg", "sqlalchemy", "fastapi", "starlette", "anyio"):
    assert name not in sys.modules, name
for name, told in {needs_more}.items():
    try:
        importlib.import_module(f"plimsoll_client.{{name}}")
    except ImportError as error:
        assert str(error).startswith(f"plimsoll_client.{{told}}"), error
    else:
        raise AssertionError(name)
from fastapi import APIRouter, FastAPI
from plimsoll_client.exposition import metrics_app
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.runtime import RuntimeMetrics
app, router = FastAPI(), APIRouter(prefix="/v1")
router.add_api_route("/things/{{n}}", lambda n: n)
app.include_router(router, prefix="/api")
app.add_route("/metrics", metrics_app())
app.add_middleware(RuntimeMetrics)
app.add_middleware(RequestMetrics)
async def ask(path):
    sent = []
    async def receive():
        return {{"type": "http.request", "body": b""}}
    async def send(message):
        sent.append(message)
    await app({{"type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
               "query_string": b"", "headers": [], "root_path": "", "state": {{}},
               "client": ("127.0.0.1", 1)}}, receive, send)
    assert sent[0]["status"] == 200, sent
    return b"".join(message.get("body", b"") for message in sent[1:]).decode()
async def main():
    await ask("/api/v1/things/7")
    page = await ask("/metrics")
    assert 'requests_total{{method="GET",route="/api/v1/things/{{n}}",status="200"}} 1.0' in page
    assert 'python_thread_pool_threads{{state="total"}} 40.0' in page, page
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as a release would build it."""
    builder = WheelBuilder(str(CLIENT))
    folder = str(tmp_path_factory.mktemp("wheel"))
    return Path(next(builder.build(directory=folder, versions=["standard"])))


@pytest.fixture(scope="module")
def uv() -> str:
    """The tool that scripts/test puts beside the environment."""
    places = (CLIENT.parent / ".tools/bin/uv", Path(sys.prefix).parent / ".tools/bin/uv")
    found = next((str(place) for place in places if place.exists()), shutil.which("uv"))
    return found or missing("uv is not there: scripts/test brings it")


class Environment:
    """A virtual environment with the wheel and one version of the framework."""

    def __init__(self, folder: Path, uv: str) -> None:
        self.folder = folder
        self.uv = uv
        self.run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))

    @property
    def python(self) -> str:
        return str(self.folder / "bin/python")

    def install(self, *what: str) -> None:
        """Install from the package index; without one there is nothing to test."""
        ran = self.run(
            self.uv, "pip", "install", "--quiet", "--python", self.python, *what, check=False
        )
        if ran.returncode != 0:
            missing(f"{what} could not be installed: {ran.stderr}")

    def installed(self) -> set[str]:
        """The names of what is there."""
        listed = self.run(self.uv, "pip", "freeze", "--python", self.python).stdout
        return {line.split("==")[0].split(" @")[0] for line in listed.splitlines()}

    def pytest(self, *files: str, more: Mapping[str, str] | None = None) -> None:
        """Run tests of this folder from a copy of it, so that nothing else is in reach."""
        tests = self.folder.parent / "client_tests"
        shutil.copytree(
            CLIENT / "client_tests", tests, ignore=shutil.ignore_patterns("__pycache__")
        )
        ran = self.run(
            *(self.python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"),
            *(str(tests / name) for name in files),
            check=False,
            more=more,
        )
        assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr
        assert " passed" in ran.stdout

    def run(
        self, *command: str, check: bool = True, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that sees nothing of this folder."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        ran = subprocess.run(
            command,
            cwd=self.folder.parent,
            env={**environment, **(more or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert not check or ran.returncode == 0, ran.stdout + ran.stderr
        return ran


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path, uv: str
) -> Iterator[Environment]:
    """One of the environments, with nothing but the wheel and the framework."""
    folder = tmp_path_factory.mktemp("alone")
    made = Environment(folder / "environment", uv)
    made.install(str(wheel), *ENVIRONMENTS[request.param])
    yield made
    shutil.rmtree(folder)


@pytest.mark.timeout(300)
def test_the_wheel_works_in_an_empty_environment(environment: Environment) -> None:
    there = environment.installed()

    assert {"plimsoll-client", "prometheus-client", "fastapi"} <= there
    assert not {"httpx", "psycopg", "sqlalchemy", "uvicorn", "pytest"} & there
    use = USE_IT.format(modules=MODULES, needs_more=NEEDS_MORE)
    environment.run(environment.python, "-W", "error", "-c", use)

    # Then the tests of this folder, on what is installed there instead of what stands here.
    environment.install("pytest")
    environment.pytest(*VERSION_TESTS)


@pytest.mark.timeout(300)
def test_pools_of_psycopg_are_watched(tmp_path: Path, wheel: Path, uv: str) -> None:
    environment = Environment(tmp_path / "environment", uv)
    environment.install(str(wheel), "psycopg[binary,pool]", "fastapi", "pytest")

    with postgres() as server:
        address = server.address("postgres").replace("+psycopg", "")
        environment.pytest("psycopg_pools.py", more={"POSTGRESQL": address})

    readme = (CLIENT / "README.md").read_text(encoding="utf-8")
    (example,) = (
        found
        for found in re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        if "psycopg_pool" in found
    )
    environment.run(environment.python, "-W", "error", "-c", example)
