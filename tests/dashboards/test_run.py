"""What stands in the directory afterwards, and what was left alone."""

import json
import os
import stat
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from dashboards.config import DashboardsConfig
from dashboards.run import write
from dashboards.sheets import UIDS
from dashboards.writing import Outcome, put
from tests.dashboards.shop import SIGNALS
from tests.servers import promtool

FILES = {
    *(f"dashboards/{uid}.json" for uid in UIDS),
    "provisioning/dashboards/plimsoll.yaml",
    "provisioning/datasources/prometheus.yaml.example",
    "prometheus/plimsoll.yml",
}


def outcomes(directory: Path, config: DashboardsConfig | None = None) -> dict[str, Outcome]:
    return {
        str(file.path.relative_to(directory)): file.outcome
        for file in write(directory, SIGNALS, config)
    }


def test_everything_is_written_and_the_second_time_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "below"
    assert outcomes(directory) == dict.fromkeys(FILES, Outcome.CREATED)
    written = {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}
    assert written == FILES
    before = {name: (directory / name).stat() for name in FILES}
    assert outcomes(directory) == dict.fromkeys(FILES, Outcome.UNCHANGED)
    for name, seen in before.items():
        after = (directory / name).stat()
        assert (after.st_ino, after.st_mtime_ns) == (seen.st_ino, seen.st_mtime_ns)


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    outcomes(tmp_path)
    changed = outcomes(tmp_path, DashboardsConfig(prometheus_url="http://metrics:9090"))
    assert changed == dict.fromkeys(FILES, Outcome.UNCHANGED) | {
        "provisioning/datasources/prometheus.yaml.example": Outcome.CHANGED
    }


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "dashboards" / "mine.json"
    other.parent.mkdir()
    other.write_text("{}")
    outcomes(tmp_path)
    assert other.read_text() == "{}"


def test_grafana_may_read_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    put(path, "{}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    put(path, "old")

    def full(source: str, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        put(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_grafana_is_told_that_nobody_edits_these_dashboards(tmp_path: Path) -> None:
    write(tmp_path, SIGNALS)
    text = (tmp_path / "provisioning" / "dashboards" / "plimsoll.yaml").read_text()
    assert yaml.safe_load(text)["providers"][0]["allowUiUpdates"] is False


def test_grafana_finds_the_dashboards_where_it_sees_them(tmp_path: Path) -> None:
    def path_in(config: DashboardsConfig | None) -> str:
        write(tmp_path, SIGNALS, config)
        text = (tmp_path / "provisioning" / "dashboards" / "plimsoll.yaml").read_text()
        path: str = yaml.safe_load(text)["providers"][0]["options"]["path"]
        return path

    assert path_in(None) == str(tmp_path / "dashboards")
    assert (
        path_in(DashboardsConfig(grafana_directory="/mnt/plimsoll/")) == "/mnt/plimsoll/dashboards"
    )


def test_the_dashboard_is_json_and_leads_to_the_configured_address(tmp_path: Path) -> None:
    write(tmp_path, SIGNALS, DashboardsConfig(plimsoll_url="https://p.example.org/plimsoll/"))
    written = json.loads((tmp_path / "dashboards" / "plimsoll-overview.json").read_text())
    [url] = [v for v in written["templating"]["list"] if v["name"] == "plimsoll_url"]
    assert url["query"] == url["current"]["value"] == "https://p.example.org/plimsoll"


@pytest.mark.parametrize(
    ("address", "target", "path"),
    [
        ("http://127.0.0.1:8750", "127.0.0.1:8750", "/metrics"),
        ("https://p.example.org/plimsoll", "p.example.org:443", "/plimsoll/metrics"),
        ("http://[::1]", "[::1]:80", "/metrics"),
    ],
)
def test_prometheus_takes_the_scrape_job(
    tmp_path: Path, address: str, target: str, path: str
) -> None:
    write(tmp_path, SIGNALS, DashboardsConfig(plimsoll_url=address))
    file = tmp_path / "prometheus" / "plimsoll.yml"
    promtool("check", "config", str(file))
    jobs = yaml.safe_load(file.read_text())["scrape_configs"]
    assert [job["metrics_path"] for job in jobs] == [path, f"{path}/rum"]
    for job in jobs:
        assert job["static_configs"] == [{"targets": [target]}]
        assert job["honor_labels"]


@pytest.mark.parametrize(
    "address",
    ["plimsoll", "ftp://a", "javascript:alert(1)", "http://u:p@a", "http://a?b", "http://a/ b", ""],
)
def test_an_address_that_a_link_cannot_use_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="is no address; write it like"):
        DashboardsConfig(plimsoll_url=address)
