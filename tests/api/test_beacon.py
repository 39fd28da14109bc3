"""The beacon over HTTP, and what `plimsoll beacon` prints."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

import brotli
import pytest
from typer.testing import CliRunner

from api.access import policy
from api.built import FILES, NAMES, built
from api.main import app
from tests.api.asking import Client, problem

SNIPPET = ["beacon", "snippet", "--app", "shop"]


@pytest.mark.parametrize("name", NAMES)
def test_the_newest_beacon_is_asked_for_again_each_time(client: Client, name: str) -> None:
    answer = client.get(f"/beacon.{name}", headers={"accept-encoding": "identity"})

    assert answer.status_code == 200
    assert answer.content == (FILES / f"beacon.{name}").read_bytes()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, no-cache"


@pytest.mark.parametrize("name", NAMES)
def test_what_carries_its_digest_may_be_kept_for_good(client: Client, name: str) -> None:
    answer = client.get(f"/{built(name).address}")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_page_of_before_an_update_goes_on_being_measured(client: Client) -> None:
    old = client.get("/beacon.attr.0123456789ab.js", headers={"accept-encoding": "identity"})

    assert old.content == built("attr.js").plain
    assert old.headers["cache-control"] == "public, no-cache"


@pytest.mark.parametrize(
    "name", ["css", "js.br", "0123456789ab.css", "0123.js", "d.ts", "core.js", "..", "JS"]
)
def test_nothing_else_is_a_beacon(client: Client, name: str) -> None:
    problem(client.get(f"/beacon.{name}"), 404, "not-found")


def test_it_is_packed_as_the_browser_can(client: Client) -> None:
    def get(accepted: str) -> tuple[str, bytes]:
        answer = client.get("/beacon.js", headers={"accept-encoding": accepted})
        assert "Accept-Encoding" in answer.headers["vary"].split(", ")
        return answer.headers.get("content-encoding", ""), answer.content  # the client unpacks

    plain = built("js").plain
    assert get("gzip, deflate, br, zstd") == ("br", plain)
    assert get("gzip, deflate") == ("gzip", plain)
    assert get("br;q=0, gzip;q=0.5") == ("gzip", plain)
    assert get("identity") == ("", plain)
    assert get("") == ("", plain)
    assert brotli.decompress(built("js").brotli) == gzip.decompress(built("js").gzipped) == plain


def test_a_browser_that_has_it_is_not_sent_it_again(client: Client) -> None:
    first = client.get("/beacon.js", headers={"accept-encoding": "br"})
    known = first.headers["etag"]

    def status(etag: str, accepted: str = "br") -> int:
        headers = {"if-none-match": etag, "accept-encoding": accepted}
        return client.get("/beacon.js", headers=headers).status_code

    assert status(known) == status(f'"other", W/{known}') == 304
    assert status('"other"') == 200
    assert status(known, "gzip") == 200  # another packing is another representation


def test_pages_of_other_sites_may_load_and_check_it_and_nothing_else(client: Client) -> None:
    script = client.get("/beacon.js").headers
    page = client.get("/").headers

    assert script["access-control-allow-origin"] == "*"
    assert script["cross-origin-resource-policy"] == "cross-origin"
    assert script["x-content-type-options"] == "nosniff"
    assert page["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in page


@pytest.mark.parametrize("name", NAMES)
def test_nobody_needs_a_token_for_it(name: str) -> None:
    for path in (f"/beacon.{name}", f"/{built(name).address}"):
        assert policy.needed("GET", path) is None
        assert policy.needed("HEAD", path) is None


def printed(*arguments: str) -> str:
    """What the command prints when all is well."""
    ran = CliRunner().invoke(app, list(arguments))
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_the_snippet_names_the_script_that_is_served(client: Client) -> None:
    for flag, name in (([], "js"), (["--attribution"], "attr.js")):
        out = printed(*SNIPPET, *flag)
        (path,) = re.findall(r'src="/vitals(/[^"]+)"', out)
        (integrity,) = re.findall(r'integrity="sha384-([^"]+)"', out)
        answer = client.get(path)
        assert answer.headers["cache-control"].endswith("immutable")
        assert answer.content == built(name).plain
        digest = hashlib.sha384(answer.content).digest()
        assert base64.b64decode(integrity) == digest


def test_the_snippet_says_what_it_was_told_and_no_more() -> None:
    out = printed(*SNIPPET, "--release", 'web"><script>', "--rate", "0.25")

    assert 'data-app="shop" data-release="web&quot;&gt;&lt;script&gt;" data-rate="0.25"' in out
    plain = printed(*SNIPPET)
    assert "data-release" not in plain
    assert "data-rate" not in plain


def test_a_page_can_do_without_the_digest(client: Client) -> None:
    out = printed(*SNIPPET, "--latest")

    assert 'src="/vitals/beacon.js"' in out
    assert "integrity" not in out


def test_the_policy_goes_with_the_place() -> None:
    own = printed(*SNIPPET)
    other = printed(*SNIPPET, "--url", "https://plimsoll.example:8443/")

    assert "script-src 'self';\nconnect-src 'self';" in own
    assert "location ~ ^/vitals/(rum|beacon" in own
    assert "https://plimsoll.example:8443/beacon." in other
    assert "connect-src https://plimsoll.example:8443;" in other
    assert "location ~ ^/(rum|beacon" in other


@pytest.mark.parametrize(
    "url", ["vitals", "/", "", "/vi tals", "/a/../b;", "ftp://x", "https://x/path", '/a"b', "//x"]
)
def test_a_place_that_is_none_is_refused(url: str) -> None:
    ran = CliRunner().invoke(app, [*SNIPPET, "--url", url])

    assert ran.exit_code == 2, ran.output


@pytest.mark.parametrize("option", ["--app", "--release"])
def test_what_the_receiver_would_refuse_is_refused_here(option: str) -> None:
    fits = CliRunner().invoke(app, [*SNIPPET, option, "x" * 64])
    long = CliRunner().invoke(app, [*SNIPPET, option, "x" * 65])

    assert (fits.exit_code, long.exit_code) == (0, 2)


def test_the_module_is_imported_and_started() -> None:
    out = printed(*SNIPPET, "--module", "--attribution", "--release", "it's", "--rate", "0.5")

    assert "import { start } from 'plimsoll-beacon/attribution';" in out
    assert "start({ app: 'shop', url: '/vitals/rum', release: 'it\\'s', rate: 0.5 });" in out
    assert "script-src" not in out


def test_the_package_is_written_whole(tmp_path: Path) -> None:
    printed("beacon", "package", str(tmp_path / "a/b"))

    written = {one.name for one in (tmp_path / "a/b").iterdir()}
    assert written == {"package.json", "beacon.d.ts", "beacon.mjs", "beacon.attr.mjs"}


def test_a_package_that_cannot_be_written_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = CliRunner().invoke(app, ["beacon", "package", str(tmp_path / "file")])

    assert ran.exit_code == 1
    assert "error: " in ran.output


def test_the_snippet_takes_the_key_of_the_app_that_is_named(tmp_path: Path) -> None:
    config = tmp_path / "plimsoll.yaml"
    key = "0123456789abcdef"
    described = f"{{name: shop, key: {key}, origins: [https://shop.example]}}"
    config.write_text(f"collector: {{rum: {{apps: [{described}]}}}}\n")
    assert f'data-app="{key}"' in printed(*SNIPPET, "-c", str(config))
    ran = CliRunner().invoke(app, ["beacon", "snippet", "--app", "shpo", "-c", str(config)])
    assert ran.exit_code == 2
    assert "known are: shop" in ran.stderr
