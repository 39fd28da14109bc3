"""Charts: what is on them, who draws them, and that text never waits for one."""

import io
import random
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.alert import Outcome, Picture
from alerts.chart import pieces, png, reach
from alerts.drawing import TITLE_LIMIT, Drawing, alt_text, sketch
from alerts.outbox_tables import Kind
from alerts.studio import NotDrawnError, drawn, ending
from detector.regression import Incident
from detector.units import Unit
from storage.series import Labels
from tests.alerts.desk import Desk
from tests.alerts.incidents import CART, incident, minutes, resolved, worse
from tests.slack_fake import Dropped, Misbehaviour, RateLimited, Refused, ServerError, Slow

BAND = (0.5, 0.571, 0.642)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def points(until: int = 60) -> list[tuple[int, float | None]]:
    dice = random.Random(4)
    return [
        (minutes(m), (0.57 if m < 4 else 1.2) + dice.gauss(0, 0.03)) for m in range(-120, until)
    ]


def drawing(one: Incident | None = None) -> Drawing:
    made = one or incident()
    found = sketch(made, made.regressions[0], points(), BAND)
    assert found is not None
    return found


def test_a_drawing_holds_what_a_person_looks_for() -> None:
    made = drawing()
    assert made.title == "Warning: API p95 +42 % on GET /cart"
    assert (made.lower, made.expected, made.upper) == BAND
    assert made.change_ms == (minutes(3), minutes(5))
    assert (made.deployed_ms, made.deployed) == (minutes(1), "shop 1.4.2")
    assert made.limit is None
    assert drawing(resolved(incident())).resolved_ms == minutes(37)
    assert Drawing.of_json(made.as_json()) == made


def test_a_fixed_limit_is_a_line_and_no_band() -> None:
    first = replace(CART, baseline=None, threshold=0.7)
    one = incident(regressions=(first,))
    made = sketch(one, first, points(), None)
    assert made is not None
    assert (made.limit, made.expected, made.upper) == (0.7, None, None)
    assert reach(made)[1] > 1.2


def test_a_deployment_before_the_chart_begins_is_not_drawn_at_its_edge() -> None:
    made = incident()
    late = [(at, value) for at, value in points() if at >= minutes(2)]
    found = sketch(made, made.regressions[0], late, BAND)
    assert found is not None
    assert found.deployed_ms is None


def test_gaps_stay_gaps() -> None:
    with_gap = [
        (at, None if at == minutes(-90) else value)
        for at, value in points()
        if not minutes(-60) < at < minutes(-50)
    ]
    made = sketch(incident(), CART, with_gap, BAND)
    assert made is not None
    assert [len(piece) for piece in pieces(made)] == [30, 30, 110]


@pytest.mark.parametrize("values", [[], [1.0], [None, None, None], [float("nan"), float("inf")]])
def test_nothing_to_see_is_no_chart(values: list[float | None]) -> None:
    few = [(minutes(i), value) for i, value in enumerate(values)]
    assert sketch(incident(), CART, few, BAND) is None


def test_the_same_drawing_gives_the_same_picture() -> None:
    first, second = png(drawing()), png(drawing())
    assert first == second
    assert first.startswith(SIGNATURE)
    assert len(first) < 200_000


def test_the_parts_are_on_the_picture_and_tell_apart_without_colour() -> None:
    """Each mark changes the picture, also when it is reduced to shades of grey."""
    whole = drawing()
    without = [
        replace(whole, lower=None, upper=None),
        replace(whole, expected=None),
        replace(whole, change_ms=(minutes(-119), minutes(-118))),
        replace(whole, deployed_ms=None),
        replace(whole, resolved_ms=minutes(30)),
    ]
    greys = {zlib.crc32(grey(png(one))) for one in (whole, *without)}
    assert len(greys) == 1 + len(without)


def grey(picture: bytes) -> bytes:
    """The picture as 8 shades of grey."""
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(picture))[:, :, :3] @ (0.2126, 0.7152, 0.0722)
    return bytes((pixels * 8).astype("uint8").tobytes())


def test_hostile_labels_are_drawn_as_they_stand() -> None:
    hostile = "$\\frac{1}{$ <!channel> שלום\u202e txt 🙂 %s %(x)s {0} a\nb" + "x" * 10_000
    labels = Labels.of(service="shop", route=hostile)
    first = replace(CART, labels=labels, title=hostile)
    made = sketch(incident(regressions=(first,)), first, points(), BAND)
    assert made is not None
    assert len(made.title) <= TITLE_LIMIT
    assert drawn(made).startswith(SIGNATURE)
    assert len(alt_text(incident(regressions=(first,)), first)) <= 900


def test_every_unit_and_scale_can_be_drawn() -> None:
    for unit, factor in zip(Unit, (0.0, -1.0, 1e-12, 1e15, 1.0, 3.0, 1e9), strict=True):
        first = replace(CART, unit=unit, baseline=None, threshold=factor)
        scaled = [(at, (value or 0) * factor) for at, value in points()]
        made = sketch(incident(regressions=(first,)), first, scaled, None)
        assert made is not None
        assert png(made).startswith(SIGNATURE)


# --- who draws ----------------------------------------------------------------------------------


def test_a_chart_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(NotDrawnError, match="took longer than"):
        drawn(drawing(), seconds=0.01)


def test_a_drawing_that_cannot_be_drawn_is_said_to_be() -> None:
    with pytest.raises(NotDrawnError, match="status 1"):
        drawn(replace(drawing(), at_ms=()))
    assert ending(-9) == "SIGKILL"


def test_the_long_lived_process_never_loads_matplotlib() -> None:
    import subprocess
    import sys

    code = "import sys, api.serve; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_tokens_in_the_environment_do_not_reach_the_one_who_draws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spy = tmp_path / "python"
    spy.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\nexit 1\n")
    spy.chmod(0o755)
    monkeypatch.setattr("alerts.studio.sys.executable", str(spy))
    monkeypatch.setenv("SLACK_TOKEN", "xoxb-secret")
    with pytest.raises(NotDrawnError):
        drawn(drawing())
    assert "xoxb-secret" not in (tmp_path / "env").read_text()


# --- how it gets into the thread ----------------------------------------------------------------


def painted(incident: Incident, key: str, now_ms: int) -> Picture | None:
    return Picture(key=key, title="A chart", alt_text="what it shows", png=SIGNATURE + b"x" * 99)


@pytest.fixture
def painting(desk: Desk) -> Desk:
    desk.draw = painted
    desk.reconfigure(desk.by_token(threads=True))
    return desk


def pictures(desk: Desk) -> list[str]:
    (root,) = desk.slack.messages()
    return [one["title"] for reply in desk.slack.thread(root) for one in reply.files]


def test_what_opens_gets_its_chart_into_the_thread(painting: Desk) -> None:
    painting.tell(incident())
    assert pictures(painting) == []
    assert painting.alerts.illustrate(painting.now) == [Outcome.SENT]
    assert pictures(painting) == ["A chart"]
    (upload,) = painting.slack.uploads.values()
    assert upload.content == SIGNATURE + b"x" * 99
    assert painting.alerts.illustrate(painting.now) == []


def test_what_gets_worse_gets_another_and_what_merely_changes_does_not(painting: Desk) -> None:
    painting.tell(incident())
    painting.alerts.illustrate(painting.now)
    painting.tell(worse(incident()))
    painting.tell(resolved(worse(incident())))
    assert painting.alerts.illustrate(painting.now) == [Outcome.SENT]
    assert painting.alerts.illustrate(painting.now) == []
    assert len(pictures(painting)) == 2


def test_a_chart_waits_for_its_message_and_the_message_not_for_it(painting: Desk) -> None:
    painting.announce(incident())
    assert painting.alerts.illustrate(painting.now) == []
    painting.slack.always("files.getUploadURLExternal", Refused("missing_scope"))
    assert painting.deliver() == [Outcome.SENT]
    assert painting.alerts.illustrate(painting.now) == [Outcome.RECEIVER_BROKEN]
    assert painting.tell(resolved(incident())) == [Outcome.SENT, Outcome.SENT]
    assert not painting.status().receivers["slack"].broken
    (row,) = painting.of_kind(Kind.CHART)
    assert (row.state, row.error) == ("failed", "missing_scope")
    metric = "plimsoll_notifications_total"
    counted = {"receiver": "slack", "action": "upload", "outcome": "receiver_broken"}
    assert painting.metric(metric, **counted) == 1


def test_what_cannot_be_drawn_is_counted_and_not_tried_again(painting: Desk) -> None:
    painting.alerts.draw_with(lambda *_: None)
    painting.tell(incident())
    assert painting.alerts.illustrate(painting.now) == [Outcome.NOT_DRAWN]
    painting.wait(3600)
    assert painting.alerts.illustrate(painting.now) == []


@pytest.mark.parametrize(
    ("method", "how", "arrives"),
    [
        ("files.completeUploadExternal", Dropped(accepted=True), True),
        ("files.completeUploadExternal", Dropped(accepted=False), False),
        ("upload", Dropped(accepted=False), False),
    ],
)
def test_a_picture_of_unknown_fate_is_looked_for_before_it_is_sent_again(
    painting: Desk, method: str, how: Misbehaviour, arrives: bool
) -> None:
    painting.tell(incident())
    painting.slack.misbehave(method, how)
    assert painting.alerts.illustrate(painting.now) == [Outcome.UNKNOWN]
    painting.wait(11)
    found = painting.alerts.illustrate(painting.now)
    assert found == ([Outcome.FOUND] if arrives else [Outcome.ABSENT])
    if not arrives:
        assert painting.alerts.illustrate(painting.now) == [Outcome.SENT]
    assert pictures(painting) == ["A chart"]


def test_where_looking_is_not_allowed_no_picture_is_doubled(painting: Desk) -> None:
    painting.slack.scopes = frozenset({"chat:write", "files:write"})
    painting.tell(incident())
    painting.slack.misbehave("files.completeUploadExternal", Dropped(accepted=True))
    painting.alerts.illustrate(painting.now)
    painting.wait(11)
    assert painting.alerts.illustrate(painting.now) == [Outcome.BLIND]
    painting.wait(3600)
    assert painting.alerts.illustrate(painting.now) == []
    assert pictures(painting) == ["A chart"]


def test_patience_asked_for_a_picture_is_given_and_text_goes_on(painting: Desk) -> None:
    painting.tell(incident())
    painting.slack.misbehave("files.getUploadURLExternal", RateLimited(30))
    assert painting.alerts.illustrate(painting.now) == [Outcome.RATE_LIMITED]
    assert Outcome.SENT in painting.tell(worse(incident()))
    painting.wait(29)
    assert painting.alerts.illustrate(painting.now) == []
    painting.wait(2)
    assert painting.alerts.illustrate(painting.now) == [Outcome.SENT]


def test_a_failing_upload_is_given_up_after_a_while(painting: Desk) -> None:
    painting.tell(incident())
    painting.slack.always("upload", ServerError(503))
    outcomes = []
    for _ in range(10):
        outcomes += painting.alerts.illustrate(painting.now)
        painting.wait(3600)
    assert outcomes == [Outcome.REFUSED] * 5


def test_a_slow_upload_is_cut_off(painting: Desk) -> None:
    painting.reconfigure(painting.by_token(threads=True, timeout=0.3))
    painting.tell(incident())
    painting.slack.misbehave("upload", Slow(30))
    assert painting.alerts.illustrate(painting.now) == [Outcome.UNKNOWN]


def test_a_storm_has_no_charts(painting: Desk) -> None:
    painting.reconfigure(painting.by_token(threads=True, digest_from=3))
    painting.tell(*(incident(f"inc-{number}") for number in range(3)))
    assert painting.alerts.illustrate(painting.now) == []
    assert {row.state for row in painting.of_kind(Kind.CHART)} == {"superseded"}


def test_nothing_is_uploaded_to_an_address_that_is_not_slacks(
    painting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    painting.tell(incident())
    monkeypatch.setattr(
        type(painting.slack), "url", property(lambda _: "https://evil.example"), raising=True
    )
    assert painting.alerts.illustrate(painting.now) == [Outcome.REFUSED]
    assert all(not upload.content for upload in painting.slack.uploads.values())
