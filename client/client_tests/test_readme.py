"""The README: its first example runs, and its tables name what is exported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import QueuePool, create_engine, text

from client_tests.asking import ask, plain
from plimsoll_client.business import market_data_updated, strategy_calculation
from plimsoll_client.cache import ObservedCache
from plimsoll_client.families import Tiers
from plimsoll_client.functions import measured
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.registries import Refused
from plimsoll_client.runtime import RuntimeMetrics, families_of
from plimsoll_client.sqlalchemy_engine import watch_engine
from tests.servers import promtool_binary


@pytest.fixture
def everything(registry: CollectorRegistry) -> CollectorRegistry:
    """A registry with every family, and series in each."""
    tiers = Tiers(frozenset({"shared"}), lambda scope: "shared")
    app = RuntimeMetrics(RequestMetrics(plain(), registry, tiers=tiers), registry)
    ask(app, "GET", "/")
    families_of(registry).collector.stop()
    ObservedCache("a", registry, ttl_seconds=1)
    with measured("f", registry=registry), strategy_calculation("s", registry):
        market_data_updated("m", registry=registry)
    engine = create_engine("sqlite://", poolclass=QueuePool)
    watch_engine(engine, "e", registry)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    return registry


README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GIVEN = """
redis = {}
from fastapi import FastAPI
from plimsoll_client.middleware import RequestMetrics
app = FastAPI()
"""
# What needs a server to report to, and a library that is tried in test_alone.
ELSEWHERE = ('report("https', "psycopg_pool")


def test_the_first_example_is_a_whole_program() -> None:
    program = EXAMPLES[0] + "print([route.path for route in app.routes][-1])\n"

    assert ran(program) == "/metrics\n"


@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if not any(word in one for word in ELSEWHERE)]
)
def test_the_examples_run(example: str, tmp_path: Path) -> None:
    assert ran(GIVEN + example, tmp_path) == ""


def ran(program: str, folder: Path | None = None) -> str:
    """What a program prints; warnings and errors end the test."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_tables_name_the_series_that_exist(everything: CollectorRegistry) -> None:
    named = set(re.findall(r"^\| `(\w+)` \| (?:histogram|counter|gauge) \|", README, re.MULTILINE))

    exported = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in everything.collect()
    }
    assert named == exported


def test_the_tables_name_the_labels_and_their_values(everything: CollectorRegistry) -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (?:histogram|counter|gauge) \|(.*)\|$", README, re.MULTILINE)
    )
    for family in everything.collect():
        for sample in family.samples:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            told = set(re.findall(r"`(\w+)`", rows[name]))
            for label, held in sample.labels.items():
                if label != "le":
                    assert label in told, name
                    if (
                        label in ("result", "state", "outcome", "what", "reason")
                        and " = " in rows[name]
                    ):
                        assert held in told, (name, held)


def test_promtool_finds_no_fault_with_anything(everything: CollectorRegistry) -> None:
    checked = subprocess.run(
        [promtool_binary(), "check", "metrics"],
        input=generate_latest(everything),
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_every_reason_is_named() -> None:
    for reason in Refused:
        assert f"`{reason.value}`" in README
