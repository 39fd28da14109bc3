"""The demo, told in real time with windows of five seconds instead of fifteen."""

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from api.demo.past import fill
from api.demo.story import Script, settings, tell
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Windows
from tests.servers import free_port

pytestmark = pytest.mark.long

NOON_MS = 1_772_452_800_000
SCRIPT = Script(seed=7, port=8750, stay=False, window_seconds=15)


def past(directory: Path, seed: int) -> dict[str, Windows]:
    file = DuckFile(directory / f"{seed}.duckdb")
    history = DuckHistory(file)
    definitions = settings(
        SCRIPT, directory, "http://127.0.0.1:1", "http://127.0.0.1:2/"
    ).definitions
    assert list(fill(history, definitions, NOON_MS, seed))[-1] == 1.0
    names = ("api_p95", "api_mean", "cache_hit_rate", "db_p95")
    found = {name: history.windows(name, 0, NOON_MS, seconds=30.0) for name in names}
    file.close()
    return found


def test_the_past_has_eight_days_and_comes_from_the_seed(tmp_path: Path) -> None:
    for part in ("a", "b", "c"):
        (tmp_path / part).mkdir()
    first, same, other = past(tmp_path / "a", 7), past(tmp_path / "b", 7), past(tmp_path / "c", 8)
    for name, windows in first.items():
        assert np.array_equal(windows.values, same[name].values)
    assert not np.array_equal(first["api_p95"].values, other["api_p95"].values)
    p95 = first["api_p95"]
    assert p95.end_ms.max() - p95.end_ms.min() > 7.9 * 86_400_000
    assert len(p95.series) == 3


@pytest.mark.timeout(300)
def test_the_slowed_route_is_told_with_size_time_and_deployment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    out = StringIO()
    script = Script(seed=7, port=free_port(), stay=False, window_seconds=5)
    assert tell(Console(file=out, width=160, highlight=False), script)
    story = out.getvalue()
    assert "Windows are 5s here" in story
    assert "Slack #performance: message posted" in story
    assert re.search(r"API (p95|mean) \+\d+ % on POST /checkout", story)
    assert "7-day average" in story
    assert "correlated with shop 1.5.0" in story
    assert "Browsers open the pages of http://127.0.0.1" in story
    # What no server notices: the largest part of a page came 400 ms later.
    assert re.search(r"LCP p75 \+\d+ % on /product/:id", story)
    assert re.search(r"/regressions/reg_[0-9a-f]{16}", story)
