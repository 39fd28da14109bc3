"""Exported rules in the engines: what Prometheus writes into an alert, what vmalert takes."""

import subprocess
from pathlib import Path

import yaml

from dashboards.rule_export import contents, export
from dashboards.rules import AROUND, Told
from detector.config import SIGNAL
from detector.rule import Rule
from detector.signal import Signal
from tests.dashboards.test_rules import DEFINITIONS, TOLD
from tests.servers import program, promtool

HOURS_8_MS = 8 * 3_600_000


def test_an_alert_leads_to_the_hours_before_it_also_from_an_old_message(tmp_path: Path) -> None:
    form = {"form": "gauge", "metric": "queue_length", "by": ["target"]}
    signal = Signal(name="mine", form=SIGNAL.validate_python(form))
    above = {"absolute": {"above": 100}}
    more = {
        "sustain": {"windows": 1, "of": 1},
        "clear": {"level": 90, "for": "10m"},
        "gates": "off",
    }
    rule = Rule.model_validate({"signal": "mine", "trigger": above, **more})
    told = Told(sentences={"long": "too long"}, plimsoll_url="http://p", grafana_url="http://g")
    for name, content in contents({"mine": signal}, {"long": rule}, told).items():
        if not name.startswith("tests/"):
            (tmp_path / name).write_text(content)
    labels = {"kind": "regression", "rule": "long", "severity": "warning", "signal": "mine"}
    since, until = HOURS_8_MS - 6 * 3_600_000, HOURS_8_MS
    annotations = {
        "summary": "mine: 200 target=a:1",
        "description": "too long",
        "left_out": "clear_level",
        "regression_url": "http://p/regressions?signal=mine&rule=long",
        "dashboard_url": f"http://g/d/plimsoll-overview?var-signal=mine&from={since}&to={until}",
    }
    alert = {"exp_labels": {**labels, "target": "a:1"}, "exp_annotations": annotations}
    test = {
        "rule_files": ["plimsoll-mine.rules.yaml"],
        "evaluation_interval": "5m",
        "tests": [
            {
                "interval": "30s",
                "input_series": [{"series": 'queue_length{instance="a:1"}', "values": "200x1100"}],
                "alert_rule_test": [
                    {"eval_time": "8h", "alertname": "long", "exp_alerts": [alert]}
                ],
            }
        ],
    }
    file = tmp_path / "link.test.yaml"
    file.write_text(yaml.safe_dump(test))
    promtool("test", "rules", str(file))


def test_vmalert_takes_every_shipped_rule(tmp_path: Path) -> None:
    """But for `keep_firing_for`: vmalert knows it from 1.92 on, and Debian has 1.79."""
    export(tmp_path, DEFINITIONS.signals, DEFINITIONS.rules, TOLD)
    files = sorted(tmp_path.glob("*.yaml"))
    assert any(AROUND in one.read_text() for one in files)
    for one in files:
        lines = one.read_text().splitlines()
        one.write_text("\n".join(line for line in lines if "keep_firing_for:" not in line))
    vmalert = program("vmalert", package="victoria-metrics")
    checked = [vmalert, "-dryRun", f"-rule={tmp_path}/*.yaml"]
    done = subprocess.run(checked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (tmp_path / "bad.yaml").write_text(files[0].read_text().replace("expr: ", "expr: ((", 1))
    done = subprocess.run(checked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
