from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboards.asked import Asked
from tests.dashboards.shop import openmetrics
from tests.servers import import_prometheus, load_openmetrics, prometheus, victoriametrics


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A Prometheus that holds an hour of the shop."""
    directory: Path = tmp_path_factory.mktemp("prometheus")
    load_openmetrics(openmetrics(), directory)
    with prometheus(directory) as address, Asked(address) as asked:
        yield asked


@pytest.fixture(scope="session")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A VictoriaMetrics that holds the same hour."""
    directory: Path = tmp_path_factory.mktemp("victoria")
    with victoriametrics(directory) as address, Asked(address) as asked:
        import_prometheus(address, in_milliseconds(openmetrics()))
        yield asked


def in_milliseconds(text: str) -> str:
    """The same samples as VictoriaMetrics imports them."""
    return "".join(f"{line}000\n" for line in text.splitlines() if not line.startswith("#"))
