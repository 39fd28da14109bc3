"""`plimsoll routes`: said as amtool says it."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.main import app as commands
from tests.servers import program

CONFIG = """\
route:
  receiver: team-X-mails
  group_by: ['alertname', cluster]
  routes:
  - matchers: ['service=~"foo1|foo2|baz"']
    receiver: team-X-mails
    routes:
    - match: {severity: critical}
      receiver: team-X-pager
  - match_re: {service: database|cache}
    receiver: team-DB-pager
    routes:
    - matchers: [owner="team-X"]
      receiver: team-X-pager
      continue: true
    - matchers: ['owner!~"team-Z"', "severity != info"]
      receiver: team-Y-pager
receivers:
- {name: team-X-mails, email_configs: [{to: x@example.org, from: a@b, smarthost: 'localhost:25'}]}
- {name: team-X-pager}
- {name: team-Y-pager}
- {name: team-DB-pager}
"""
LABELS = [
    ["service=foo1", "severity=critical"],
    ["service=database", "owner=team-X"],
    ["service=cache", "owner=team-Z"],
    ["service=database", "owner=team-Y", "severity=info"],
    ["alertname=none"],
]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    file = tmp_path / "alertmanager.yml"
    file.write_text(CONFIG)
    return file


def said(*words: str) -> str:
    done = CliRunner().invoke(commands, ["routes", *words])
    assert done.exit_code == 0, done.output
    return done.output


def amtool(file: Path, *words: str) -> str:
    command = [program("amtool", package="prometheus-alertmanager"), "config", "routes"]
    done = subprocess.run(
        [*command, *words, f"--config.file={file}"], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_tree_is_shown_as_amtool_shows_it(theirs: Path) -> None:
    assert said("show", "--alertmanager-file", str(theirs)) == amtool(theirs, "show")


@pytest.mark.parametrize("labels", LABELS, ids=" ".join)
def test_labels_lead_where_amtool_says(theirs: Path, labels: list[str]) -> None:
    for more in ([], ["--tree"]):
        ours = said("test", *labels, *more, "--alertmanager-file", str(theirs))
        assert ours == amtool(theirs, "test", *more, *labels)


def test_a_script_can_insist_on_receivers(theirs: Path) -> None:
    words = ["routes", "test", *LABELS[1], "--alertmanager-file", str(theirs), "--expect"]
    assert CliRunner().invoke(commands, [*words, "team-X-pager,team-Y-pager"]).exit_code == 0
    assert CliRunner().invoke(commands, [*words, "team-X-pager"]).exit_code == 1


def test_routes_are_read_from_the_configuration(tmp_path: Path, theirs: Path) -> None:
    config = tmp_path / "plimsoll.yaml"
    deliver = "{team-X-mails: slack-webhook}"
    slack = "{webhook_url: https://hooks.slack.com/services/T/B/x}"
    config.write_text(
        f"alerts: {{slack: {slack}, alertmanager_file: {theirs}, deliver: {deliver}}}\n"
    )
    assert said("test", *LABELS[0], "--config", str(config)) == "team-X-pager\n"
    config.write_text("alerts: {}\n")
    done = CliRunner().invoke(commands, ["routes", "show", "--config", str(config)])
    assert done.exit_code == 1


@pytest.mark.parametrize("label", ["severity", "severity!=critical", "{a=b}"])
def test_what_is_no_label_is_refused(theirs: Path, label: str) -> None:
    words = ["routes", "test", label, "--alertmanager-file", str(theirs)]
    assert CliRunner().invoke(commands, words).exit_code == 1
