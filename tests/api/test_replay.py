"""Replays over REST and on the command line: what is asked, bounded, told and counted."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from typer.testing import CliRunner

from api.app import create_app
from api.document import read
from api.house import House
from api.main import app
from api.replaying import lines
from api.routes import replay as routes
from api.settings import SettingsError
from api.trial import ReplayPosted, ReplayShape, planned, rules_of, work
from detector.noise import Noise
from tests.api.asking import Client, problem
from tests.api.shop import close, definitions, shop_house
from tests.api.test_backup import command
from tests.api.test_main import answer, configuration, plimsoll
from tests.servers import free_port

PATH = "/api/v1/replay"
NAME = "plimsoll_replays_total"
DRAFT = """
rules:
  cart_slow:
    signal: api_p95
    trigger: {absolute: {above: 0.25}}
    sustain: {windows: 2, of: 2}
    clear: {level: 0.24, for: 10m}
    enabled: false
  cpu_high:
    trigger: {absolute: {above: 0.2}}
    clear: {level: 0.1, for: 15m}
"""
JUMPY = {
    "cpu_jumpy": {
        "signal": "host_cpu_usage",
        "trigger": {"absolute": {"above": 0.3}},
        "sustain": {"windows": 1, "of": 1},
        "gates": {"min_events": 1e6},
        "clear": {"level": 0.3, "for": "5m"},
    }
}


def replayed(asked: Client, **body: Any) -> dict[str, Any]:
    got = asked.post(PATH, json=body)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"].startswith("application/x-ndjson")
    told = [json.loads(line) for line in got.text.splitlines()]
    assert [one["done"] for one in told] == sorted(one["done"] for one in told)
    assert all("report" not in one for one in told[:-1])
    report: dict[str, Any] = told[-1]["report"]
    return report


def outcomes(house: House) -> dict[str, float]:
    return {
        outcome.value: value
        for outcome in routes.Outcome
        if (
            value := house.registry.get_sample_value("plimsoll_replays_total", {"outcome": outcome})
        )
    }


def test_the_rules_in_force_are_replayed_up_to_the_newest_tick(asked: Client) -> None:
    report = replayed(asked, days=1, signals=["api_p95"])
    assert report["until"] == "2026-03-02T12:00:00Z"
    assert report["since"] == "2026-03-01T12:00:00Z"
    by_rule = {one["rule"]: one for one in report["rules"]}
    assert set(by_rule) == {
        "api_response_time_regression",
        "api_response_time_change",
        "api_p95_high",
    }
    slower = by_rule["api_response_time_regression"]
    (one,) = slower["episodes"]
    assert one["name"] == "GET /cart of shop"
    assert "2026-03-02T11:00" <= one["began_at"] < one["opened_at"] < "2026-03-02T12:00"
    assert one["ended_at"] is None
    assert [(day["day"], day["openings"]) for day in slower["days"]] == [
        ("2026-03-01", 0),
        ("2026-03-02", 1),
    ]
    assert slower["noise"] == "not_enough_history"
    assert slower["series"] == 3
    assert slower["series_days"] == pytest.approx(3, abs=0.1)


def test_draft_rules_are_judged_in_place_of_those_in_force(asked: Client) -> None:
    rules = read(DRAFT, {}).data["rules"]
    report = replayed(asked, days=1, rules=rules)
    by_rule = {one["rule"]: one for one in report["rules"]}
    assert set(by_rule) == {"cart_slow", "cpu_high"}
    assert by_rule["cart_slow"]["openings"] >= 1
    # Changed key by key: it still lasts 15 minutes.
    assert by_rule["cpu_high"]["trigger"].startswith("above 20 % for 15 min")
    (one,) = replayed(asked, days=0.1, rules=rules, rule_names=["cpu_high"])["rules"]
    assert one["rule"] == "cpu_high"
    # Nothing of it is in force.
    assert "cart_slow" not in asked.get("/api/v1/rules").text


def test_gates_can_be_taken_off(asked: Client) -> None:
    held = replayed(asked, days=1, rules=JUMPY)["rules"][0]
    off = replayed(asked, days=1, rules=JUMPY, gates="off")["rules"][0]
    assert (held["openings"], held["noise"]) == (0, "not_enough_history")
    assert held["held_back_hours"]["min_events"] > 1
    assert (off["openings"] > 5, off["noise"]) == (True, "noisy")
    assert off["held_back_hours"] == {}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"days": 0}, "#/days"),
        ({"days": 401}, "#/days"),
        ({"gates": "on"}, "#/gates"),
        ({"signals": ["nope"]}, "no signal 'nope'"),
        ({"rule_names": ["nope"]}, "no rule 'nope'"),
        ({"rules": {}}, "none to replay"),
        ({"rules": {"x": {"signal": "nope"}}}, "rules.x"),
        ({"rules": {"x": 5}}, "rules.x"),
        ({"rules": {"X y": {}}}, "X y"),
        ({"colour": "red"}, "#/colour"),
    ],
)
def test_what_does_not_fit_is_named(asked: Client, body: dict[str, Any], told: str) -> None:
    found = problem(asked.post(PATH, json=body), 422, "invalid")
    assert told in found["detail"]
    assert found["errors"]
    # The next one may begin.
    assert asked.post(PATH, json={"days": 0.1, "signals": ["cache_hit_rate"]}).status_code == 200


def test_one_at_a_time_within_a_bound_and_each_end_is_counted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_app(house)
    client = Client(made)
    with made.state.replays.running:
        busy = client.post(PATH, json={"days": 1})
    problem(busy, 409, "other")
    assert busy.headers["retry-after"] == "60"
    assert client.post(PATH, json={"days": 1}).status_code == 200
    monkeypatch.setattr(routes, "MOST_JUDGEMENTS", -1)
    found = problem(client.post(PATH, json={"days": 1}), 422, "invalid")
    assert "fewer days" in found["detail"]
    monkeypatch.undo()

    def broken(replay: object) -> Iterator[float]:
        raise RuntimeError("no such luck")
        yield 0.0

    monkeypatch.setattr("detector.replay.Replay.run", broken)
    told = [json.loads(line) for line in client.post(PATH, json={}).text.splitlines()]
    assert told[-1]["error"] == "It failed inside; the log says how."
    assert not made.state.replays.running.locked()
    assert outcomes(house) == {"busy": 1, "done": 1, "too_large": 1, "failed": 1}


def test_when_whoever_asked_goes_away_the_next_one_may_begin(house: House) -> None:
    replays = create_app(house).state.replays
    asked = ReplayPosted(days=1)
    assert replays.running.acquire(blocking=False)
    told = routes.Told(replays, planned(house, asked), asked)

    async def gone(message: Any) -> None:
        raise OSError("the connection is closed")

    async def nothing() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    with pytest.raises(ClientDisconnect):
        asyncio.run(told(scope, nothing, gone))
    assert not replays.running.locked()
    assert outcomes(house) == {"left": 1}


def test_the_bound_counts_series_and_ticks(shop: House) -> None:
    one = planned(shop, ReplayPosted(days=9, rule_names=["api_p95_high"]))
    # Three series: two days of minutes, eight of five minutes.
    assert work(shop, one) == 3 * (2 * 1440 + 8 * 288)


# --- rules of a file ---


def test_a_file_of_rules_names_every_fault_with_its_line() -> None:
    text = DRAFT + "  other: {signal: api_p9, trigger: {}}\nsignals: {}\ncollector: {}\n"
    with pytest.raises(SettingsError) as raised:
        rules_of(read(text, {}), definitions())
    found = {one.key: one for one in raised.value.faults}
    assert found["signals"].reason.startswith("a signal that is not in force has no stored windows")
    assert found["collector"].reason == "is no known key"
    assert any(key.startswith("rules.other") for key in found)
    assert all(one.line for one in raised.value.faults)


def test_a_rule_that_is_in_force_is_changed_key_by_key() -> None:
    rules = rules_of(read(DRAFT, {}), definitions())
    shipped = definitions().rules["cpu_high"]
    assert rules["cpu_high"].sustain == shipped.sustain
    assert rules["cpu_high"].signal == "host_cpu_usage"
    for name, rule in definitions().rules.items():
        (again,) = rules_of(read(f"rules: {{{name}: {{}}}}", {}), definitions()).values()
        assert again == rule


def test_the_draft_that_is_shown_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "before-you-enable-a-rule.md").read_text()
    (draft,) = re.findall(r"```yml\n(.*?)```", page, re.S)
    assert set(rules_of(read(draft, {}), definitions())) == {"checkout_slow"}
    (short,) = re.findall(r"`(cpu_high: .*?)`", page, re.S)
    (rule,) = rules_of(read(f"rules: {{{short}}}", {}), definitions()).values()
    assert rule.trigger.part.level == 0.9


def test_a_name_that_is_nearly_one_is_told_the_one(asked: Client) -> None:
    for key, name in (("signals", "api_p59"), ("rule_names", "api_p95_hihg")):
        told = problem(asked.post("/api/v1/replay", json={key: [name]}), 422, "invalid")["detail"]
        assert "Did you mean api_p95" in told


# --- the command line ---


def test_the_report_reads_aloud(asked: Client) -> None:
    report = replayed(asked, days=1, rules=JUMPY, gates="off")
    told = list(lines(ReplayShape.model_validate(report)))
    assert told[0] == "replayed 2026-03-01 12:00 to 2026-03-02 12:00 UTC, gates off"
    assert re.match(r"rule +noise +fired +100 x day", told[2])
    assert any(re.match(r"cpu_jumpy +noisy +\d+", one) for one in told)
    assert any(re.match(r"  by day: 03-01:\d+ 03-02:\d+", one) for one in told)
    assert any(one.startswith("  most on: ") for one in told)
    assert list(lines(ReplayShape.model_validate({**report, "rules": []})))[-1] == "no rule fits"
    lossy = ReplayShape.model_validate({**report, "lost_windows": 3})
    assert list(lines(lossy))[-1].startswith("3 windows found no room in memory")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a shop that has stopped."""
    directory = tmp_path_factory.mktemp("stopped")
    close(shop_house(directory / "data"))
    (directory / "draft.yaml").write_text(DRAFT)
    storage = f"storage: {{directory: {directory / 'data'}}}\n"
    (directory / "plimsoll.yaml").write_text(f"server: {{port: {free_port()}}}\n{storage}")
    return directory


def run(stopped: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.chdir(stopped)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_the_files_of_a_stopped_plimsoll_say_what_a_running_one_says(
    stopped: Path, asked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = run(stopped, monkeypatch, "replay", "--days", "1", "--rule", "draft.yaml", "--json")
    assert got.exit_code == 0, got.output
    rules = read(DRAFT, {}).data["rules"]
    assert json.loads(got.stdout) == replayed(asked, days=1, rules=rules)
    told = run(stopped, monkeypatch, "replay", "--days", "0.1", "--rule-name", "api_p95_high")
    assert "api_p95_high  not enough history" in told.stdout
    why = run(stopped, monkeypatch, "explain", 'api_p95{route="/cart"}', "--json")
    assert json.loads(why.stdout)["rules"][0]["verdict"] == "regressed"
    text = run(stopped, monkeypatch, "explain", 'api_p95{route="/cart"}')
    assert "  trigger" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["replay", "--gates", "on"], 2, "as_written or off"),
        (["replay", "--rule", "nowhere.yaml"], 2, "cannot be read"),
        (["explain", "zzz"], 1, "no signal 'zzz'; `plimsoll signals` lists all"),
        (["explain", "api_p59"], 1, "there is no signal 'api_p59'; nearest: api_p95"),
        (["explain", "api_p95"], 1, 'means 3 series: name more labels, as in api_p95{method="'),
        (["explain", "/cart"], 1, 'is no series: write api_p95{target="shop"} or'),
        (["explain", "/cart"], 1, 'nearest: api_p95{method="GET",route="/cart",target="shop"}'),
        (["explain", 'api_p95{route="/crt"}'], 1, 'nearest: api_p95{method="GET",route="/cart"'),
        (["explain", "api_p95/0123456789ab"], 1, "there is no series"),
        (["explain", "api_p95", "--at", "noon"], 2, "a time is written like"),
        (["explain", "api_p95", "--url", "nonsense"], 1, "is not an address"),
        (["replay", "--url", "nonsense"], 1, "is not an address"),
        (["replay", "--url", "http://127.0.0.1:1"], 1, "gave no whole answer"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, told: str
) -> None:
    got = run(stopped, monkeypatch, *arguments)
    assert got.exit_code == status
    assert told in re.sub(r"\s*[│\n]\s*", " ", got.output)


def test_a_running_plimsoll_is_asked_by_both_commands(tmp_path: Path) -> None:
    port = free_port()
    configuration(tmp_path, port)
    child = plimsoll("run", directory=tmp_path)
    answer(port, "/healthz", child)
    status, said = command(tmp_path, "replay", "--days", "1", "--json")
    assert status == 0, said
    found = json.loads(said)
    assert {one["noise"] for one in found["rules"]} == {Noise.NOT_ENOUGH_HISTORY}
    status, said = command(tmp_path, "explain", 'host_cpu_usage{target="nobody"}')
    assert (status, "there is no series host_cpu_usage" in said) == (1, True), said
    assert re.search(r"; nearest:\n  host_cpu_usage\{|; host_cpu_usage has no series yet", said)
    status, said = command(tmp_path, "explain", "host_cpu_usge")
    assert (status, "there is no signal 'host_cpu_usge'; nearest:" in said) == (1, True), said
    assert "\n  host_cpu_usage\n" in said
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    status, said = command(tmp_path, "replay", "--days", "1", "--json")
    assert status == 0, said


# --- a draft as text, and the page ---


def test_a_draft_is_pasted_as_it_would_stand_in_the_file(asked: Client) -> None:
    report = replayed(asked, days=0.2, text=DRAFT)
    assert {one["rule"] for one in report["rules"]} == {"cart_slow", "cpu_high"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DRAFT.replace("api_p95", "api_p59"), "line 4: rules.cart_slow.signal"),
        (DRAFT.replace("enabled", "enabld"), "Did you mean enabled?"),
        ("rules: [", "is no YAML"),
        ("", "none to replay"),
        ("rules:\n  x: {signal: '${HOME}'}", "line 2"),
        ("a: &a [*a]", "more than anybody means"),
    ],
)
def test_a_fault_of_a_pasted_draft_names_its_line(asked: Client, text: str, told: str) -> None:
    found = problem(asked.post(PATH, json={"days": 0.1, "text": text}), 422, "invalid")
    assert told in " ".join(one["detail"] for one in found["errors"])
    assert {one["pointer"] for one in found["errors"]} == {"#/text"}


def test_a_pasted_draft_reads_nothing_of_the_environment(
    asked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIMSOLL_HIDDEN", "sesame")
    text = "rules:\n  x: {signal: '${PLIMSOLL_HIDDEN}'}"
    answer = asked.post(PATH, json={"days": 0.1, "text": text})
    assert answer.status_code == 422
    assert "sesame" not in answer.text


def test_rules_and_text_are_one_or_the_other(asked: Client) -> None:
    body = {"days": 0.1, "text": DRAFT, "rules": JUMPY}
    assert "give one of them" in problem(asked.post(PATH, json=body), 422, "invalid")["detail"]
    body = {"days": 0.1, "text": "x" * 32_001}
    problem(asked.post(PATH, json=body), 422, "invalid")


def test_the_page_offers_every_rule_and_explains_every_verdict(asked: Client) -> None:
    page = asked.get("/replay?rule=cpu_high&days=3").text
    assert '<option value="cpu_high" selected>' in page
    assert 'value="3"' in page
    for one in Noise:
        assert f'data-noise="{one}"' in page
    assert "plimsoll replay --days" in page
    assert asked.get("/replay?days=0").status_code == 422


def test_the_example_of_the_page_can_be_replayed(asked: Client) -> None:
    from api.pages.replay import EXAMPLE

    assert [one["rule"] for one in replayed(asked, days=0.1, text=EXAMPLE)["rules"]] == [
        "checkout_slow"
    ]
