from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.desk import Desk
from tests.alerts.incidents import NOON
from tests.slack_fake import FakeSlack


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        yield fake


@pytest.fixture
def desk(tmp_path: Path, slack: FakeSlack) -> Iterator[Desk]:
    made = Desk(tmp_path / "state.sqlite3", slack, NOON)
    yield made
    made.state.close()
