"""The page about the beacon, true to what it tells of."""

import re
from pathlib import Path

import brotli
import pytest

from api.beacon import proxy
from api.built import built

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/web-vitals-beacon.md").read_text(encoding="utf-8")
FRAMEWORKS = ROOT / "beacon/frameworks"


@pytest.mark.parametrize(
    "file",
    ["react/vitals.js", "vue/vitals.js", "next/instrumentation-client.ts", "next/app/patterns.tsx"],
)
def test_a_recipe_is_the_file_that_was_tried(file: str) -> None:
    assert f"\n{(FRAMEWORKS / file).read_text(encoding='utf-8')}```\n" in PAGE


def test_every_setting_is_told() -> None:
    types = (ROOT / "beacon/beacon.d.ts").read_text(encoding="utf-8")
    settings = re.findall(r"^  (\w+)\?:", types, re.MULTILINE)
    script = (ROOT / "beacon/src/script.ts").read_text(encoding="utf-8")

    assert len(settings) >= 8
    for name in settings:
        attribute = "data-" + re.sub("[A-Z]", lambda found: f"-{found[0].lower()}", name)
        assert re.search(rf"^\|.*`{name}\b", PAGE, re.MULTILINE), name
        if name != "route":
            assert name in script
            assert f"`{attribute}" in PAGE, attribute


def test_the_proxy_is_the_one_that_is_printed() -> None:
    assert "\n".join(proxy("/vitals", "http://127.0.0.1:8750")) in PAGE


@pytest.mark.parametrize(
    ("row", "name"), [("Plimsoll", "js"), ("Plimsoll with attribution", "attr.js")]
)
def test_the_sizes_are_those_of_the_files(row: str, name: str) -> None:
    size = len(brotli.compress(built(name).plain, quality=11))

    assert f"| {row} | {size:,} |" in PAGE


def test_the_versions_are_those_of_the_lock_files() -> None:
    for folder, names in {
        "beacon": {"web-vitals": "web-vitals", "esbuild": "esbuild"},
        "beacon/frameworks": {"react-router": "React Router", "vue-router": "Vue Router"},
        "beacon/frameworks/next": {"next": "Next.js"},
        "benchmarks/rivals": {
            "@grafana/faro-web-sdk": "Faro",
            "@sentry/browser": "Sentry",
            "@elastic/apm-rum": "Elastic",
            "@opentelemetry/browser-instrumentation": "OpenTelemetry browser instrumentation",
            "@speedcurve/lux": "lux.js",
        },
    }.items():
        manifest = (ROOT / folder / "package.json").read_text(encoding="utf-8")
        for package, told in names.items():
            (version,) = re.findall(rf'"{package}": "([\d.]+)"', manifest)
            assert re.search(rf"{re.escape(told)}\s{re.escape(version)}", PAGE), package
