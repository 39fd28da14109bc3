"""What every layout makes of any incident, however strange its labels are."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.alert import Layout, Manner, Receiver
from alerts.digest import LINES_OF_A_PAGE, Line, Page, line
from alerts.digest import render as page_of
from alerts.layouts import compose
from alerts.message import render
from alerts.payload import digest
from alerts.wording import panel
from detector.finding import Finding
from detector.regression import Incident, Phase, Severity
from storage.series import Labels
from tests.alerts.incidents import CART, changed, incident, resolved, worse
from tests.slack_limits import check_message

URL = "https://plimsoll.example"
PANEL = "https://grafana.example/d/api?var-s={signal}&var-r={route}&from={from}&to={to}"
HOSTILE = st.text(max_size=300) | st.sampled_from(
    ["<!channel>", "<@U1>", "@here", "x" * 10_000, "שלום\u202e", "🙂" * 500, "&lt;", "a|b>c"]
)


def receiver(layout: Layout) -> Receiver:
    return Receiver("one", edits=True, manner=Manner(layout=layout, buttons=True, panel_url=PANEL))


def strange(text: str, title: str) -> Incident:
    labels = Labels.of(service="shop", route=text)
    first = replace(CART, labels=labels, title=title, runbook="https://x.example/run")
    return incident(regressions=(first,))


@settings(max_examples=60, deadline=None)
@given(text=HOSTILE, title=HOSTILE)
def test_slack_takes_the_message_and_its_line_and_nobody_is_pinged(text: str, title: str) -> None:
    one = strange(text, title)
    payload = compose(one, receiver(Layout.SLACK), URL)
    check_message(payload)
    told = line(one, URL)
    row = Line(told, Phase.OPEN, Severity.WARNING)
    page = page_of(Page("digest-1", 0, 1, (row,) * LINES_OF_A_PAGE, 500, 3))
    check_message(page)
    for shown in (json.dumps(payload), json.dumps(page)):
        assert "<!" not in shown
        assert "<@" not in shown
        assert "@here" not in shown
    assert len(told) <= 500
    assert told.count("<") == told.count(">") == 1


@settings(max_examples=40, deadline=None)
@given(text=HOSTILE, title=HOSTILE)
@pytest.mark.parametrize("layout", [Layout.JSON, Layout.MAIL, Layout.ALERTMANAGER])
def test_the_other_layouts_are_json_with_one_line_where_one_is_due(
    layout: Layout, text: str, title: str
) -> None:
    payload = compose(strange(text, title), receiver(layout), URL)
    json.dumps(payload).encode()
    assert "\n" not in payload.get("subject", "")
    for alert in payload.get("alerts", ()):
        assert all(0 < len(value) <= 500 for value in alert["labels"].values())


@pytest.mark.parametrize("layout", list(Layout))
def test_every_layout_can_tell_a_merged_incident(layout: Layout) -> None:
    merged = replace(
        incident(),
        phase=Phase.RESOLVED,
        regressions=(),
        finding=Finding(merged_into="inc-0"),
    )
    payload = compose(merged, receiver(layout), URL)
    shown = json.dumps(payload)
    assert ("inc-0" in shown) or payload.get("alerts") == []
    assert "inc-0" in line(merged, URL)


@pytest.mark.parametrize("layout", list(Layout))
def test_a_version_alone_is_no_news_and_a_number_is(layout: Layout) -> None:
    def of(one: Incident) -> str:
        return digest(compose(one, receiver(layout), URL))

    assert of(incident()) == of(incident(version=7))
    assert of(incident()) != of(changed(incident()))
    assert len({of(one) for one in (incident(), worse(incident()), resolved(incident()))}) == 3


def test_a_panel_is_linked_at_the_time_of_the_change() -> None:
    payload = render(incident(), URL, panel_url=PANEL)
    shown = json.dumps(payload, ensure_ascii=False)
    assert "|Grafana>" in shown
    address = panel(CART, PANEL)
    assert "var-s=api_p95&var-r=%2Fcart" in address
    assert f"from={CART.began_lo_ms - 3_600_000}&" in address
    assert "Grafana" not in json.dumps(render(incident(), URL))


def test_a_label_cannot_leave_its_place_in_a_panels_address() -> None:
    first = replace(CART, labels=Labels.of(route="/a&var-x=1#{signal}\n"))
    assert "var-r=%2Fa%26var-x%3D1%23" in panel(first, PANEL)


def test_the_worst_page_of_a_digest_stays_within_slacks_limits() -> None:
    told: Any = line(strange("x" * 10_000, "y" * 10_000), URL + "/" + "z" * 150)
    row = Line(told, Phase.OPEN, Severity.CRITICAL)
    check_message(page_of(Page("digest-1", 3, 9, (row,) * LINES_OF_A_PAGE, 10**6, 10**5)))
