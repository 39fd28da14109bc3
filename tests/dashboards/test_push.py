"""Pushing into a Grafana, over HTTP: what is made, changed, left alone, and refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from api import grafana as command
from api.main import app
from dashboards.config import GrafanaConfig
from dashboards.grafana import HINTS, Grafana, GrafanaError, Refusal
from dashboards.marks import BY_ID, MOST, of_deployment, of_regression, push_marks
from dashboards.push import Fate, Pushed, difference, holds, push
from tests.dashboards.grafana import Json, read
from tests.dashboards.shop import DEPLOYED
from tests.grafana_fake import EDITOR, VIEWER, Answer, FakeGrafana

UID = "plimsoll-cache"
SAVE = "POST /dashboards/db"
LOOK = f"GET /dashboards/uid/{UID}"


@pytest.fixture
def there() -> Iterator[FakeGrafana]:
    with FakeGrafana() as grafana:
        yield grafana


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def pushed(there: FakeGrafana, waited: list[float]) -> Callable[..., dict[str, Pushed]]:
    """Push the dashboard on caches; what became of it and of the folder."""

    def do(token: str = EDITOR, *, dry_run: bool = False, **changed: Any) -> dict[str, Pushed]:
        config = config_of(there, token)
        ours = {**read(UID), **changed}
        with Grafana(config, waited.append) as client:
            return {one.what: one for one in push(client, config, [ours], dry_run=dry_run)}

    return do


def config_of(there: FakeGrafana, token: str = EDITOR, **more: Any) -> GrafanaConfig:
    return GrafanaConfig.model_validate({"url": there.url, "token": token, **more})


def fates(found: dict[str, Pushed]) -> list[Fate]:
    return [one.fate for one in found.values()]


Push = Callable[..., dict[str, Pushed]]


def test_folder_and_dashboard_are_made_and_the_second_time_nothing(
    there: FakeGrafana, pushed: Push
) -> None:
    assert fates(pushed()) == [Fate.CREATED, Fate.CREATED]
    assert there.folders["plimsoll"]["title"] == "Plimsoll"
    assert there.folder_of[UID] == "plimsoll"
    before = list(there.writes())
    assert fates(pushed()) == [Fate.UNCHANGED, Fate.UNCHANGED]
    assert there.writes() == before
    assert there.dashboards[UID]["version"] == 1


def test_only_what_changed_is_written(there: FakeGrafana, waited: list[float]) -> None:
    config = config_of(there)
    both = [read(UID), read("plimsoll-api")]
    with Grafana(config, waited.append) as client:
        push(client, config, both)
        found = push(client, config, [both[0], {**both[1], "description": "Another one."}])
    assert [one.fate for one in found] == [Fate.UNCHANGED, Fate.UNCHANGED, Fate.CHANGED]
    assert there.dashboards[UID]["version"] == 1
    assert there.dashboards["plimsoll-api"]["version"] == 2
    assert there.dashboards["plimsoll-api"]["description"] == "Another one."


def test_a_dry_run_writes_nothing_and_shows_what_would_change(
    there: FakeGrafana, pushed: Push
) -> None:
    assert fates(pushed(dry_run=True)) == [Fate.WOULD_CREATE, Fate.WOULD_CREATE]
    assert there.writes() == []
    pushed()
    before = list(there.writes())
    found = pushed(dry_run=True, description="Another one.")
    assert found[UID].fate is Fate.WOULD_CHANGE
    changes = [line for line in found[UID].diff if line.startswith(("- ", "+ "))]
    assert changes == [
        f'- "description": {json.dumps(read(UID)["description"])},',
        '+ "description": "Another one.",',
    ]
    assert there.writes() == before


def test_a_dashboard_that_was_moved_is_moved_back(there: FakeGrafana, pushed: Push) -> None:
    pushed()
    there.folders["other"] = {"uid": "other", "title": "Other"}
    there.folder_of[UID] = "other"
    assert pushed()[UID].fate is Fate.CHANGED
    assert there.folder_of[UID] == "plimsoll"


def test_a_panel_that_somebody_added_is_seen_and_taken_away(
    there: FakeGrafana, pushed: Push
) -> None:
    pushed()
    there.dashboards[UID]["panels"].append({"type": "text", "title": "Mine"})
    assert any("Mine" in line for line in pushed(dry_run=True)[UID].diff)
    assert pushed()[UID].fate is Fate.CHANGED
    assert len(there.dashboards[UID]["panels"]) == len(read(UID)["panels"])


def test_a_change_that_somebody_saves_meanwhile_is_looked_at_again(
    there: FakeGrafana, pushed: Push
) -> None:
    pushed()
    conflict = {"message": "changed by someone else", "status": "version-mismatch"}
    there.misbehave(SAVE, Answer(412, conflict))
    assert pushed(description="Another one.")[UID].fate is Fate.CHANGED
    there.misbehave(SAVE, *[Answer(412, conflict)] * 3)
    refused = pushed(description="A third one.")[UID]
    assert refused.fate is Fate.REFUSED
    assert HINTS[Refusal.CONFLICT] in refused.why


def test_a_version_that_was_not_seen_is_not_written_over(there: FakeGrafana, pushed: Push) -> None:
    """Somebody saves between our look and our write: Grafana refuses, and we look again."""
    pushed()
    there.meanwhile = lambda: there.dashboards[UID].update(version=7, description="Mine.")
    assert pushed(description="Another one.")[UID].fate is Fate.CHANGED
    assert there.writes().count(SAVE) == 3
    assert there.dashboards[UID]["version"] == 8


def test_a_title_that_another_dashboard_of_the_folder_has_is_told(
    there: FakeGrafana, pushed: Push
) -> None:
    pushed()
    there.dashboards["mine"] = there.dashboards.pop(UID) | {"uid": "mine"}
    there.folder_of["mine"] = there.folder_of.pop(UID)
    refused = pushed()[UID]
    assert refused.fate is Fate.REFUSED
    assert "another dashboard of the folder has this title" in refused.why
    assert there.writes().count(SAVE) == 2  # it is not tried again


@pytest.mark.parametrize("status", [409, 412])
def test_a_folder_of_that_title_under_another_uid_is_named(
    there: FakeGrafana, pushed: Push, status: int
) -> None:
    there.folders["abc"] = {"uid": "abc", "title": "Plimsoll"}
    there.misbehave("POST /folders", Answer(status, {"message": "name exists"}))
    with pytest.raises(GrafanaError, match="set `folder_uid: abc`") as error:
        pushed()
    assert error.value.refusal is Refusal.CONFLICT
    assert there.dashboards == {}


def test_a_folder_that_somebody_makes_meanwhile_is_taken(there: FakeGrafana, pushed: Push) -> None:
    there.misbehave("POST /folders", Answer(409, {"message": "uid exists"}, done=True))
    assert fates(pushed()) == [Fate.CREATED, Fate.CREATED]


def test_a_foreign_token_is_refused_at_once(there: FakeGrafana, pushed: Push) -> None:
    with pytest.raises(GrafanaError, match="401 Invalid API key") as error:
        pushed("glsa_unknown")
    assert error.value.refusal is Refusal.UNAUTHORIZED
    assert "glsa_unknown" not in str(error.value)
    assert len(there.calls) == 1


def test_who_may_only_look_is_told_what_is_missing(there: FakeGrafana, pushed: Push) -> None:
    with pytest.raises(GrafanaError, match="needs the role Editor") as error:
        pushed(VIEWER)
    assert error.value.refusal is Refusal.FORBIDDEN
    there.folders["plimsoll"] = {"uid": "plimsoll", "title": "Plimsoll"}
    refused = pushed(VIEWER)[UID]
    assert (refused.fate, "needs the role Editor" in refused.why) == (Fate.REFUSED, True)
    assert there.dashboards == {}


def test_a_provisioned_dashboard_is_refused_and_the_others_are_pushed(
    there: FakeGrafana, waited: list[float]
) -> None:
    config = config_of(there)
    there.provisioned.add(UID)
    with Grafana(config, waited.append) as client:
        found = push(client, config, [read(UID), read("plimsoll-api")])
    assert [one.fate for one in found] == [Fate.CREATED, Fate.REFUSED, Fate.CREATED]
    assert "Cannot save provisioned dashboard" in found[1].why


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_repeated_while_grafana_is_down(
    there: FakeGrafana, pushed: Push, waited: list[float], status: int
) -> None:
    there.misbehave(LOOK, Answer(status, "<h1>Bad</h1>"), Answer(status, "<h1>Bad</h1>"))
    assert pushed()[UID].fate is Fate.CREATED
    assert waited == [1.0, 2.0]
    there.misbehave(LOOK, *[Answer(status, "")] * 3)
    refused = pushed()[UID]
    assert refused.fate is Fate.REFUSED
    assert str(status) in refused.why


def test_when_asked_to_wait_it_waits_but_not_for_ever(
    there: FakeGrafana, pushed: Push, waited: list[float]
) -> None:
    slow = [Answer(429, {"message": "slow"}, {"Retry-After": value}) for value in ("7", "900")]
    there.misbehave(LOOK, *slow)
    assert pushed()[UID].fate is Fate.CREATED
    assert waited == [7.0, 30.0]


@pytest.mark.parametrize(
    "lost", [Answer(502, "", done=True), Answer(200, done=True, drop=True)], ids=["502", "dropped"]
)
def test_a_write_whose_answer_was_lost_is_not_done_twice(
    there: FakeGrafana, pushed: Push, lost: Answer
) -> None:
    there.misbehave(SAVE, lost)
    assert pushed()[UID].fate is Fate.CREATED
    assert there.dashboards[UID]["version"] == 1
    assert there.writes().count(SAVE) == 1
    there.misbehave("POST /folders", lost)
    there.folders.clear()
    assert pushed()["folder plimsoll"].fate is Fate.CREATED


def test_a_write_that_was_lost_on_the_way_is_done_again(there: FakeGrafana, pushed: Push) -> None:
    there.misbehave(SAVE, Answer(503, ""))
    assert pushed()[UID].fate is Fate.CREATED
    assert there.writes().count(SAVE) == 2


def test_a_login_page_is_told_from_grafana(there: FakeGrafana) -> None:
    wrong = GrafanaConfig.model_validate(
        {"url": there.url.removesuffix("/grafana"), "token": EDITOR}
    )
    with (
        Grafana(wrong, lambda seconds: None) as client,
        pytest.raises(GrafanaError, match="leads to a login page") as error,
    ):
        push(client, wrong, [])
    assert error.value.refusal is Refusal.NOT_GRAFANA


def test_nobody_there_is_told_after_three_attempts(waited: list[float]) -> None:
    config = GrafanaConfig.model_validate({"url": "http://127.0.0.1:1", "token": EDITOR})
    with Grafana(config, waited.append) as client, pytest.raises(GrafanaError) as error:
        push(client, config, [])
    assert error.value.refusal is Refusal.UNREACHABLE
    assert len(waited) == 2


def test_every_refusal_has_a_hint_and_is_documented() -> None:
    assert set(HINTS) == set(Refusal)
    page = (Path(__file__).parents[2] / "docs" / "dashboards.md").read_text()
    assert [one for one in Refusal if f"| `{one}` |" not in page] == []


def test_a_grafana_full_of_annotations_is_not_written_to(there: FakeGrafana) -> None:
    """What stands beyond the limit of an answer could not be told, and would be written again."""
    for number in range(MOST):
        there.annotations[number] = {"time": NOW_MS, "timeEnd": NOW_MS, "tags": ["plimsoll"]}
    with pytest.raises(GrafanaError, match="5000 annotations carry the tag") as error:
        marks(there)
    assert error.value.refusal is Refusal.TOO_MANY
    assert there.writes() == []


def test_what_grafana_adds_of_its_own_is_no_difference() -> None:
    ours = {"a": 1, "b": [{"c": None}], "d": 1.0, "e": True}
    assert holds({"a": 1, "b": [{"x": 2}], "d": 1, "e": True, "id": 5}, ours)
    assert not holds({"a": 1, "b": [{}, {}], "d": 1, "e": True}, ours)
    assert not holds({"a": 1, "b": [{}], "d": 1, "e": 1}, ours)
    assert difference({"a": 1, "b": [{"x": 2}], "id": 4}, {"a": 1}) == ()


# --- annotations -------------------------------------------------------------------------------

DEPLOYMENT = {"id": "dep_1", "service": "shop", "version": "1.5.0", "at": DEPLOYED.isoformat()}
REGRESSION = {
    "id": "reg_1",
    "signal": "api_p95",
    "rule": "api_p95_high",
    "severity": "warning",
    "heading": "API p95 +42 % on GET /cart",
    "began_from": "2026-03-02T11:30:00Z",
    "resolved_at": None,
}
NOW_MS = 1_772_452_800_000


def marks(there: FakeGrafana, *, now_ms: int = NOW_MS, **more: Any) -> list[Fate]:
    wanted = [of_deployment(DEPLOYMENT), of_regression({**REGRESSION, **more}, now_ms)]
    with Grafana(config_of(there), lambda seconds: None) as client:
        return [one.fate for one in push_marks(client, wanted)]


def test_a_deployment_is_a_moment_and_a_regression_a_span_that_grows_until_it_is_over(
    there: FakeGrafana,
) -> None:
    assert marks(there) == [Fate.CREATED, Fate.CREATED]
    moment, span = there.annotations.values()
    assert moment["time"] == moment["timeEnd"] == DEPLOYED.timestamp() * 1000
    assert span["timeEnd"] - span["time"] == NOW_MS - 1_772_451_000_000
    assert {"plimsoll", "regression", f"{BY_ID}reg_1", "signal:api_p95"} <= set(span["tags"])
    assert marks(there, now_ms=NOW_MS + 299_000) == [Fate.UNCHANGED, Fate.UNCHANGED]
    assert marks(there, now_ms=NOW_MS + 300_000) == [Fate.UNCHANGED, Fate.CHANGED]
    over = "2026-03-02T12:10:00Z"
    assert marks(there, now_ms=NOW_MS + 9_000_000, resolved_at=over)[1] is Fate.CHANGED
    assert marks(there, now_ms=NOW_MS + 99_000_000, resolved_at=over)[1] is Fate.UNCHANGED
    assert len(there.annotations) == 2


def test_annotations_of_others_are_left_alone(there: FakeGrafana) -> None:
    mine = {"time": NOW_MS, "timeEnd": NOW_MS, "text": "mine", "tags": ["plimsoll"]}
    there.annotations[99] = dict(mine)
    marks(there)
    assert there.annotations[99] == mine


def test_a_dry_run_of_annotations_writes_nothing(there: FakeGrafana) -> None:
    with Grafana(config_of(there), lambda seconds: None) as client:
        found = push_marks(client, [of_deployment(DEPLOYMENT)], dry_run=True)
        assert [one.fate for one in found] == [Fate.WOULD_CREATE]
        assert push_marks(client, []) == []
    assert there.writes() == []


def test_an_annotation_that_is_refused_does_not_stop_the_others(there: FakeGrafana) -> None:
    there.misbehave("POST /annotations", Answer(500, ""))
    assert marks(there) == [Fate.REFUSED, Fate.CREATED]
    assert marks(there) == [Fate.CREATED, Fate.UNCHANGED]
    there.misbehave("POST /annotations", Answer(403, {"message": "no"}))
    there.annotations.clear()
    with pytest.raises(GrafanaError, match="role Editor"):
        marks(there)


# --- configuration and command -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "give `token` or `token_file`, exactly one"),
        ({"token": "a", "token_file": "b"}, "exactly one of them"),
        ({"token": "a", "url": "http://grafana.example.org"}, "https only"),
        ({"token": "a", "folder_uid": "with blank"}, "pattern"),
    ],
)
def test_an_unfit_configuration_is_refused(more: Json, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        GrafanaConfig.model_validate({"url": "https://grafana.example.org", **more})


def test_plain_http_is_for_those_who_say_so() -> None:
    url = "http://grafana:3000"
    allowed = GrafanaConfig.model_validate({"url": url, "token": "a", "plain_http": True})
    assert allowed.url == url


def test_the_token_is_in_no_repr_and_read_anew_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    config = GrafanaConfig.model_validate(
        {"url": "https://grafana.example.org", "token_file": str(file)}
    )
    assert config.secret().get_secret_value() == "first"
    file.write_text("second\n")
    assert config.secret().get_secret_value() == "second"
    assert "second" not in repr(config) + repr(config.secret())
    for content in ("", "two words", "ümlaut"):
        file.write_text(content)
        with pytest.raises(GrafanaError) as error:
            Grafana(config, lambda seconds: None)
        assert error.value.refusal is Refusal.TOKEN
        assert content == "" or content not in str(error.value)
    file.unlink()
    with pytest.raises(GrafanaError, match="cannot be read: No such file"):
        Grafana(config, lambda seconds: None)


def configured(there: FakeGrafana, tmp_path: Path, token: str = EDITOR) -> list[str]:
    """The configuration of a test, as arguments."""
    (tmp_path / "token").write_text(token)
    file = tmp_path / "plimsoll.yaml"
    section = {"grafana": {"url": there.url, "token_file": str(tmp_path / "token")}}
    file.write_text(json.dumps({"dashboards": section}))
    return ["--config", str(file)]


def test_the_command_pushes_everything_and_shows_a_diff_in_a_dry_run(
    there: FakeGrafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "/deployments": {"items": [DEPLOYMENT]},
        "/regressions": {"items": [REGRESSION], "next_cursor": None},
    }
    monkeypatch.setattr(command, "ask", lambda config, url, method, path, params: answers[path])
    given = ["dashboards", "push", *configured(there, tmp_path)]
    first = CliRunner().invoke(app, [*given, "--annotations"])
    assert first.exit_code == 0, first.output
    assert "     created plimsoll-overview" in first.output
    assert "     created dep_1" in first.output
    assert len(there.dashboards) >= 11
    there.dashboards["plimsoll-overview"]["description"] = "mine"
    dry = CliRunner().invoke(app, [*given, "--dry-run"])
    assert "would change plimsoll-overview" in dry.output
    assert '- "description": "mine",' in dry.output
    assert dry.output.count("unchanged") == len(there.dashboards)  # the folder too


def test_the_command_ends_with_1_when_something_was_refused(
    there: FakeGrafana, tmp_path: Path
) -> None:
    there.provisioned.add("plimsoll-overview")
    some = CliRunner().invoke(app, ["dashboards", "push", *configured(there, tmp_path)])
    assert some.exit_code == 1
    assert "refused plimsoll-overview" in some.output
    assert "created plimsoll-api" in some.output
    foreign = ["dashboards", "push", *configured(there, tmp_path, "glsa_unknown")]
    nothing = CliRunner().invoke(app, foreign)
    assert nothing.exit_code == 1
    assert "the token is unknown" in nothing.output
    assert "glsa_unknown" not in nothing.output


def test_without_a_grafana_the_command_says_what_to_configure(tmp_path: Path) -> None:
    file = tmp_path / "plimsoll.yaml"
    file.write_text("{}")
    done = CliRunner().invoke(app, ["dashboards", "push", "--config", str(file)])
    assert done.exit_code == 1
    assert "`dashboards.grafana` is not configured" in done.output


def test_annotations_come_from_every_page_of_a_running_plimsoll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = iter(
        [
            {"items": [DEPLOYMENT]},
            {"items": [REGRESSION], "next_cursor": "c1"},
            {"items": [{**REGRESSION, "id": "reg_2"}], "next_cursor": None},
        ]
    )
    asked: list[dict[str, Any]] = []

    def ask(config: None, url: None, method: str, path: str, params: dict[str, Any]) -> Any:
        asked.append({"path": path, **params})
        return next(pages)

    monkeypatch.setattr(command, "ask", ask)
    assert [one.id for one in command.marks_of(None, None, 2)] == ["dep_1", "reg_1", "reg_2"]
    assert [one.get("cursor") for one in asked] == [None, None, "c1"]
