"""A file for each fault of a configuration: its first line says key, reason and hint."""

from pathlib import Path

import pytest

from api.document import read
from api.settings import Settings, SettingsError, load, unsourced
from detector.config import SIGNAL
from detector.rule import OFF
from detector.run import Definitions
from detector.signal import Signal

FILES = Path(__file__).parents[1] / "config"
BAD, GOOD = sorted((FILES / "bad").iterdir()), sorted((FILES / "good").iterdir())
ENVIRONMENT = {"DATA_DIRECTORY": "data", "SHOP_TOKEN": "s3cret", "SLACK_TOKEN": "xoxb-1-2-s3cret"}


def stem(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", BAD, ids=stem)
def test_a_fault_is_named_with_key_reason_and_hint(path: Path) -> None:
    expected = [part.strip() for part in path.read_text().splitlines()[0][1:].split("::")]
    key, reason, hint = ["", *expected][-3:]
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    faults = {fault.key: fault for fault in caught.value.faults}
    assert key in faults, caught.value.faults
    assert reason in faults[key].reason
    assert hint in faults[key].hint
    assert faults[key].line is not None


@pytest.mark.parametrize("path", GOOD, ids=stem)
def test_a_good_file_has_no_faults(path: Path) -> None:
    assert isinstance(load(path, ENVIRONMENT), Settings)


def test_all_faults_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text("alerts: {min_severity: bad}\nserver: {port: 0}\ncollector: {interval: x}\n")
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    keys = [fault.key for fault in caught.value.faults]
    assert keys == ["alerts.min_severity", "server.port", "collector.interval"]
    assert "3 faults" in str(caught.value)


def test_a_missing_file_is_told_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "none.yaml", {})
    (fault,) = caught.value.faults
    assert "No such file" in fault.reason
    assert "--config" in fault.hint


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"1 fault$"):
        load(path, {})


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(None, {})
    assert settings.server.url == "http://127.0.0.1:8750"
    assert "api_p95" in settings.definitions.signals


def test_one_key_of_a_shipped_rule_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text("rules:\n  api_p95_high: {enabled: false}\n  cpu_high: {severity: critical}\n")
    rules = load(path, {}).definitions
    assert "api_p95_high" not in rules.rules_of("api_p95")
    assert rules.rules["cpu_high"].severity == "critical"
    assert rules.rules["cpu_high"].trigger.part.level == 0.80


def test_gates_off_leaves_only_the_trigger(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text("rules:\n  api_p95_high: {gates: off}\n")
    assert load(path, {}).definitions.rules["api_p95_high"].gates == OFF


def test_the_shipped_definitions_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text("detector: {shipped: false}\n")
    settings = load(path, {})
    assert not settings.definitions.signals
    assert not settings.definitions.rules


def test_promql_is_no_fault_where_a_source_can_evaluate_it() -> None:
    document = read("signals:\n  free:\n    form: promql\n    expr: up\n", {})
    form = SIGNAL.validate_python(document.data["signals"]["free"])
    defined = Definitions({"free": Signal(name="free", form=form)}, {})
    assert list(unsourced(document, defined, has_source=True)) == []
    (fault,) = unsourced(document, defined, has_source=False)
    assert (fault.key, fault.line) == ("signals.free.form", 3)


def test_secrets_stand_in_no_fault_and_no_repr() -> None:
    settings = load(FILES / "good" / "everything.yaml", ENVIRONMENT)
    assert "s3cret" not in repr(settings)
    for path in BAD:
        if path.stem == "variable-not-set":  # it has no other fault
            continue
        with pytest.raises(SettingsError) as caught:
            load(path, {"SHOP_TOKEN": "s3cret"})
        told = str(caught.value) + "".join(map(str, caught.value.faults))
        assert "s3cret" not in told
        assert "user:secret" not in told


LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        LAUGHS + "\n? [*a8, *a8]\n: 1",
        "a: &a [*a]",
        "a: &a\n  b: *a",
        "[" * 20_000,
        "a: " + "[" * 61 + "]" * 61,
    ],
    ids=["laughs", "key", "itself", "mapping", "unclosed", "deep"],
)
def test_a_text_that_stands_for_more_than_anybody_means_is_one_fault(text: str) -> None:
    found = read(text, {})
    assert found.data == {}
    (fault,) = found.faults
    assert "more than anybody means" in fault.reason or "no YAML" in fault.reason


def test_an_alias_may_still_save_a_few_lines() -> None:
    found = read("a: &a [1, 2]\nb: *a\n", {})
    assert found.data == {"a": [1, 2], "b": [1, 2]}
    assert found.faults == []


def test_a_value_that_the_environment_has_not_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text("server:\n  port: ${NOT_THERE}\n  hots: x\n")
    with pytest.raises(SettingsError) as error:
        load(path, {})
    assert [(one.key, one.line) for one in error.value.faults] == [
        ("server.port", 2),
        ("server.hots", 3),
    ]
