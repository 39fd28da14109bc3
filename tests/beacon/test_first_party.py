"""What `plimsoll beacon snippet` prints, pasted: nginx in front, a strict policy, Chromium."""

import asyncio
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from typer.testing import CliRunner

from api.app import create_app
from api.main import app as commands
from benchmarks import _chromium
from benchmarks._capture import ARRIVAL_SECONDS, PAINTED
from tests.api.shop import close, empty_house
from tests.beacon.browser import binary
from tests.servers import free_port, program, running

# Browsers and packages start once for a module; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

CONFIG = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        root {folder}/site;
        add_header Set-Cookie "sid=secret";
        location = / {{
            default_type text/html;
            add_header Set-Cookie "sid=secret";
            add_header Content-Security-Policy "default-src 'none'; {policy}";
            try_files /index.html =404;
        }}
        {proxy}
    }}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass
class Behind:
    """Plimsoll behind the proxy; what comes to `/rum` is noted ahead of it."""

    app: ASGIApp
    beacons: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/rum":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.beacons.append({**headers, "method": scope["method"]})
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
            return
        await self.app(scope, receive, send)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """An application under a real server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def snippet(folder: Path, upstream: str, *flags: str) -> tuple[str, str, str]:
    """What the command prints for a Plimsoll at `upstream`: tag, policy and proxy."""
    file = folder / "plimsoll.yaml"
    file.write_text(f"server: {{port: {upstream.rpartition(':')[2]}}}\n")
    arguments = ["beacon", "snippet", "--app", "shop", "-c", str(file), *flags]
    ran = CliRunner().invoke(commands, arguments)
    assert ran.exit_code == 0, ran.output
    tag, policy, proxy = re.split(r"\n\n#[^\n]*\n", ran.output)
    return tag, " ".join(policy.split()), proxy


@contextmanager
def proxied(folder: Path, page: str, policy: str, proxy: str) -> Iterator[str]:
    """nginx with a page, its policy, and the proxy's location."""
    port = free_port()
    (folder / "site").mkdir()
    (folder / "site/index.html").write_text(page)
    text = CONFIG.format(
        # Its workers would be nobody, and read nothing here.
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        temporary="".join(f"{one}_temp_path {folder}/{one}; " for one in TEMPORARY),
        port=port,
        policy=policy,
        proxy=proxy,
    )
    (folder / "nginx.conf").write_text(text)
    command = [program("nginx", package="nginx"), "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    address = f"http://127.0.0.1:{port}"
    with running(command, ready=f"{address}/", log=folder / "nginx.log"):
        yield address


async def view(address: str) -> list[Any]:
    """Look at the page and close it; what the page complained of."""
    async with _chromium.running(binary()) as browser:
        tab = await browser.tab(await browser.profile())
        await tab.open(f"{address}/?token=secret")
        await tab.until(PAINTED)
        await asyncio.sleep(0.6)
        blocked = await tab.evaluate("self.blocked")
        await tab.close()
        await asyncio.sleep(ARRIVAL_SECONDS)
    return list(blocked)


# A file of its own, since the policy allows nothing inline.
WATCH = (
    "self.blocked = [];"
    "addEventListener('securitypolicyviolation', (one) => blocked.push(one.violatedDirective));"
)


@pytest.mark.parametrize("flags", [[], ["--attribution", "--latest"]])
def test_a_page_with_a_strict_policy_is_measured_first_party(
    flags: list[str], tmp_path: Path
) -> None:
    house = empty_house(tmp_path / "house")
    try:
        behind = Behind(create_app(house))
        with served(behind) as upstream:
            tag, policy, proxy = snippet(tmp_path, upstream, *flags)
            page = f"<!doctype html><script src=/watch.js></script>{tag}<h1>The shop</h1>"
            with proxied(tmp_path, page, policy, proxy) as address:
                (tmp_path / "site/watch.js").write_text(WATCH)
                assert asyncio.run(view(address)) == []
                refused = httpx.get(f"{address}/vitals/api/v1/signals", trust_env=False)
                page_of_ours = httpx.get(f"{address}/vitals/", trust_env=False)
    finally:
        close(house)

    (beacon,) = behind.beacons
    assert beacon["method"] == "POST"
    assert beacon["origin"] == address
    assert beacon["x-forwarded-for"] == "127.0.0.1"
    assert "cookie" not in beacon
    # To its own origin a browser tells the whole address, unless it is told not to.
    assert beacon["referer"] == f"{address}/"
    assert (refused.status_code, page_of_ours.status_code) == (404, 404)


def test_a_script_that_was_changed_on_the_way_does_not_run(tmp_path: Path) -> None:
    house = empty_house(tmp_path / "house")
    try:
        behind = Behind(create_app(house))
        with served(behind) as upstream:
            tag, policy, proxy = snippet(tmp_path, upstream)
            forged = re.sub(r"beacon\.[0-9a-f]{12}\.js", "beacon.attr.js", tag)
            page = f"<!doctype html><script src=/watch.js></script>{forged}<h1>The shop</h1>"
            with proxied(tmp_path, page, policy, proxy) as address:
                (tmp_path / "site/watch.js").write_text(WATCH)
                asyncio.run(view(address))
    finally:
        close(house)

    assert behind.beacons == []
