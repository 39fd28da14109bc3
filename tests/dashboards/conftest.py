from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboards.asked import Asked
from tests.dashboards.shop import openmetrics
from tests.servers import load_openmetrics, prometheus


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A Prometheus that holds an hour of the shop."""
    directory: Path = tmp_path_factory.mktemp("prometheus")
    load_openmetrics(openmetrics(), directory)
    with prometheus(directory) as address, Asked(address) as asked:
        yield asked
