"""The README: its first example runs, and its tables name what is exported."""

import re
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from client_tests.asking import ask, plain
from plimsoll_client.cache import ObservedCache
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.registries import Refused

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_first_example_runs() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    program = example.group(1) + "print([route.path for route in app.routes][-1])\n"

    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ran.stdout, ran.stderr) == ("/metrics\n", "")


def test_the_tables_name_the_series_that_exist(registry: CollectorRegistry) -> None:
    ask(RequestMetrics(plain(), registry), "GET", "/")
    ObservedCache("a", registry, ttl_seconds=1)

    named = set(re.findall(r"^\| `(\w+)` \| (?:histogram|counter|gauge) \|", README, re.MULTILINE))

    exported = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
    }
    assert named == exported


def test_every_reason_is_named() -> None:
    for reason in Refused:
        assert f"`{reason.value}`" in README
