"""The configuration in force without its secrets, and the check of a text that is pasted."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from api.app import create_app
from api.checking import checked
from api.document import read
from api.house import House
from api.pages import configuration as page_of
from api.plain_settings import MASK, changes, plain, safe
from api.settings import Settings, SettingsError, build
from tests.api.asking import Client, problem
from tests.api.test_pages import text

PATH = "/api/v1/configuration/check"
SECRETS = ("xoxb-1-2-hidden", "swordfish", "opensesame", "hushhush")
TEXT = """
collector:
  interval: 30s
  targets:
    - {name: shop, url: "http://127.0.0.1:8000/metrics", token: swordfish}
storage:
  state_url: postgresql+psycopg://ada:opensesame@db/plimsoll
alerts:
  slack: {bot_token: xoxb-1-2-hidden, channel: C0123456789}
  receivers:
    - {name: hook, webhook: {url: "https://hooks.example/hushhush"}}
rules:
  cpu_high: {enabled: false}
"""
FAULTS = Path(__file__).parents[1] / "config" / "bad"


def settings(text: str = "") -> Settings:
    return build(read(text, {}))


def outcomes(house: House, outcome: str) -> float | None:
    return house.registry.get_sample_value(
        "plimsoll_configuration_checks_total", {"outcome": outcome}
    )


# --- what is in force ---


def test_what_differs_from_the_defaults_is_shown_without_a_secret() -> None:
    shown = plain(settings(TEXT))
    assert shown["collector"]["interval"] == 30
    assert shown["collector"]["targets"][0]["token"] == MASK
    assert shown["alerts"]["receivers"][0]["webhook"]["url"] == MASK
    assert shown["rules"]["cpu_high"]["enabled"] is False
    assert list(shown["rules"]) == ["cpu_high"]
    assert "signals" not in shown
    for secret in SECRETS:
        assert secret not in str(shown)


def test_defaults_are_nothing_to_show() -> None:
    assert plain(settings()) == {}


def test_credentials_and_queries_of_addresses_are_masked() -> None:
    assert safe("http://ada:pw@db:9/x?key=1 y") == "http://***@db:9/x?... y"
    assert safe("https://x.example/a?b") == "https://x.example/a?..."
    assert safe("what?") == "what?"


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    told = yaml.safe_dump(
        plain(settings("collector: {interval: 30s}\nrules: {cpu_high: {enabled: false}}"))
    )
    again = settings(told)
    assert again.collector.interval == 30
    assert not again.definitions.rules["cpu_high"].enabled


# --- what would change ---


def test_changes_are_told_by_key_and_a_secret_only_as_changed() -> None:
    before = settings(TEXT)
    after = settings(
        TEXT.replace("swordfish", "tunafish").replace("30s", "20s").replace("hook,", "hooks,")
    )
    found = {one.key: one for one in changes(before, after)}
    assert (found["collector.interval"].before, found["collector.interval"].after) == (
        "30.0",
        "20.0",
    )
    token = found["collector.targets.shop.token"]
    assert (token.kind, token.before, token.after) == ("changed", MASK, MASK)
    assert found["alerts.receivers.hook.name"].kind == "removed"
    assert found["alerts.receivers.hooks.name"].kind == "added"
    assert "tunafish" not in str(found)


def test_the_same_is_no_change() -> None:
    assert changes(settings(TEXT), settings(TEXT)) == []
    assert checked(settings(TEXT), TEXT).changes == []


def test_a_changed_secret_is_told_though_it_looks_the_same() -> None:
    found = checked(settings(TEXT), TEXT.replace("swordfish", "tunafish"))
    assert [one.key for one in found.changes] == ["collector.targets.shop.token"]


# --- the check ---


@pytest.mark.parametrize("name", ["misspelt-key", "twice", "unknown-signal-of-a-rule"])
def test_faults_are_those_of_the_command(name: str) -> None:
    paths = sorted(FAULTS.glob("*.yaml"))
    path = {"misspelt-key": paths[0], "twice": paths[len(paths) // 2]}.get(name, paths[-1])
    body = path.read_text()
    with pytest.raises(SettingsError) as error:
        build(read(body, {}))
    told = [(one.line, one.key, one.reason, one.hint) for one in checked(settings(), body).faults]
    assert told == [(one.line, one.key, one.reason, one.hint) for one in error.value.faults]


def test_a_file_that_is_pasted_is_never_looked_at(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.write_text("not-a-slack-token-but-a-secret")
    for path in (hidden, tmp_path / "missing", "/etc/shadow"):
        body = f"alerts:\n  slack: {{bot_token_file: {path}, channel: C0123456789}}"
        found = checked(settings(), body)
        assert found.ok, found.faults
        assert [(one.key, one.reason) for one in found.unchecked] == [
            ("alerts.slack.bot_token_file", "file")
        ]
        assert [one.after for one in found.changes if one.key.endswith("token_file")] == [str(path)]


@pytest.mark.parametrize(
    "body",
    [
        "alerts: {{alertmanager_file: {path}, deliver: {{a: []}}}}",
        "server: {{tls: {{certificate: {path}, key: {path}}}}}",
        "storage: {{prometheus: {{url: 'http://p:9090', header_files: {{X-Key: {path}}}}}}}",
        "storage: {{state_url_file: {path}}}",
        "alerts: {{heartbeats: [{{name: a, url_file: {path}}}]}}",
        "collector: {{targets: [{{name: a, url: 'http://a/m', ca_file: {path}}}]}}",
    ],
)
def test_there_is_no_way_to_learn_of_a_file(body: str, tmp_path: Path) -> None:
    here, gone = tmp_path / "file-a", tmp_path / "file-b"
    here.write_text("route: {receiver: secret-receiver}")
    both = []
    for path in (here, gone):
        found = checked(settings(), body.format(path=path))
        assert found.unchecked
        both.append(found.model_dump_json().replace(path.name, "name"))
    assert both[0] == both[1]
    assert "secret-receiver" not in both[0]


def test_variables_are_not_filled_in_and_their_faults_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLIMSOLL_HIDDEN", "sesame")
    body = (
        "server: {port: '${PLIMSOLL_HIDDEN}'}\n"
        "alerts: {slack: {bot_token: '${PLIMSOLL_HIDDEN}', channel: C0123456789}}"
    )
    found = checked(settings(), body)
    assert found.ok, found.faults
    assert {(one.line, one.key, one.reason) for one in found.unchecked} == {
        (1, "server.port", "environment"),
        (2, "alerts.slack.bot_token", "environment"),
    }
    assert "sesame" not in found.model_dump_json()


def test_files_that_are_in_force_are_checked_for_what_they_hold(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("xoxb-1-2-three")
    body = f"alerts:\n  slack: {{bot_token_file: {token}, channel: C0123456789}}"
    known = settings(body)
    assert checked(known, body).unchecked == []
    token.write_text("")
    assert "is empty" in checked(known, body).faults[0].reason


# --- over REST ---


def test_a_text_is_checked_and_counted(house: House, client: Client) -> None:
    good = client.post(PATH, json={"text": "collector: {interval: 30s}"}).json()
    assert good["ok"]
    directory, change = good["changes"]
    assert directory["key"] == "storage.directory"
    assert (change["key"], change["kind"], change["after"]) == (
        "collector.interval",
        "added",
        "30.0",
    )
    bad = client.post(PATH, json={"text": "collectr: {}"}).json()
    assert bad["faults"] == [
        {
            "line": 1,
            "key": "collectr",
            "reason": "is no known key",
            "hint": "Did you mean collector?",
        }
    ]
    assert (outcomes(house, "ok"), outcomes(house, "faulty")) == (1, 1)


def test_one_check_at_a_time(house: House) -> None:
    app = create_app(house)
    with app.state.checks.running:
        problem(Client(app).post(PATH, json={"text": ""}), 409, "conflict")
    assert outcomes(house, "busy") == 1
    assert Client(app).post(PATH, json={"text": ""}).status_code == 200


@pytest.mark.parametrize("body", [{}, {"text": "x" * 48_001}, {"text": 5}, {"text": "", "more": 1}])
def test_what_is_no_text_is_refused(client: Client, body: dict[str, Any]) -> None:
    problem(client.post(PATH, json=body), 422, "invalid")


def test_the_page_shows_what_is_in_force_or_the_next_step(client: Client) -> None:
    said = text(client, "/configuration")
    assert "with all shipped rules" in said
    assert "collector: targets: - name: shop" in said
    assert list(client.get("/api/v1/configuration").json()["settings"]) == ["storage"]


def test_no_secret_is_on_the_page(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    found = plain(settings(TEXT))
    monkeypatch.setattr(page_of, "plain", lambda _: found)
    page = Client(create_app(house)).get("/configuration").text
    assert "name: shop" in page
    assert not [one for one in SECRETS if one in page]


def test_what_is_in_force_can_be_pasted_back_with_its_masks() -> None:
    known = settings(TEXT)
    found = checked(known, yaml.safe_dump(plain(known), sort_keys=False))
    assert found.ok, found.faults
    assert found.changes == []
    assert {one.reason for one in found.unchecked} == {"secret"}
    assert len(found.unchecked) == 4
