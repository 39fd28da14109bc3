"""What people read: golden payloads, hostile labels, Slack's limits."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.message import for_terminal, render
from alerts.mrkdwn import cut, escape, link
from alerts.payload import as_repeat, digest, is_only_text, only_text
from alerts.subject import suspicion
from alerts.wording import compared, origin
from detector.finding import (
    Check,
    Correlation,
    Finding,
    Match,
    Origin,
    OriginReason,
    OriginVerdict,
    Peers,
    Slots,
)
from detector.regression import Deployment, Incident, Phase, Severity, Tag
from detector.units import Unit
from storage.series import Labels
from tests.alerts.incidents import CART, POOL, decided, incident, minutes, resolved, worse
from tests.slack_limits import check_message

GOLDEN = Path(__file__).parent.parent / "golden" / "slack"
URL = "https://plimsoll.example"
HOSTILE = (
    "<!channel> @here @everyone <@U123> &lt; <https://evil.example|click> `code` *bold* "
    "https://evil.example/a?b=c\n> quote\x00\x1b[31mred\u202egnp.exe \ud800 <!subteam^S1>"
)


def shown(incident: Incident) -> dict[str, Any]:
    return render(incident, URL)


def strings(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name not in ("block_id", "type", "color", "metadata"):
                yield from strings(value)
    elif isinstance(part, list):
        for item in part:
            yield from strings(item)
    elif isinstance(part, str):
        yield part


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("opened", incident()),
        ("worse", worse(incident())),
        ("resolved", resolved(worse(incident()))),
    ],
)
def test_messages_are_those_that_were_reviewed(name: str, told: Incident) -> None:
    path = GOLDEN / f"{name}.json"
    payload = shown(told)
    check_message(payload)
    if os.environ.get("PLIMSOLL_REWRITE_GOLDEN") == "1":
        path.write_text(json.dumps(payload, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == payload


def test_the_sentence_says_what_how_much_since_when_and_after_which_deployment() -> None:
    assert shown(incident())["text"] == (
        "Warning: API p95 on GET /cart of shop is 812 ms, +42 % against its baseline of 571 ms, "
        "since 2026-03-02 12:03-12:05 UTC, correlated with shop 1.4.2, deployed 12:01 UTC. "
        "https://plimsoll.example/regressions/reg-cart"
    )


def test_two_targets_with_one_route_are_told_apart() -> None:
    from_eu = replace(CART, labels=Labels.of(target="shop-eu", method="GET", route="/cart"))
    assert "on GET /cart of shop-eu is" in shown(incident(regressions=(from_eu,)))["text"]
    alone = replace(CART, title="CPU usage", labels=Labels.of(target="host"))
    assert "CPU usage on host is" in shown(incident(regressions=(alone,)))["text"]


def test_a_resolved_message_is_green_and_says_how_long_it_lasted() -> None:
    payload = shown(resolved(incident()))
    assert payload["attachments"][0]["color"] == "#2eb67d"
    assert payload["text"].startswith("Resolved: API p95 on GET /cart of shop is back at 540 ms")
    assert "after 34 min" in payload["text"]
    assert "*Lasted*\n34 min" in json.loads(json.dumps(list(strings(payload))))


def test_severity_shows_in_colour_and_in_words() -> None:
    seen = set()
    for severity in Severity:
        payload = shown(incident(severity=severity))
        seen.add(payload["attachments"][0]["color"])
        assert payload["text"].startswith(f"{severity.value.capitalize()}: ")
        assert f"*Severity*\n{severity.value.capitalize()}" in list(strings(payload))
    assert len(seen) == 3


def test_the_header_names_the_size_and_the_place() -> None:
    def header(told: Incident) -> str:
        text: str = shown(told)["blocks"][0]["text"]["text"]
        return text

    assert header(incident()) == "API p95 +42 % on GET /cart"
    assert header(incident(regressions=(POOL,))) == "Database p95 at 160 ms on select_cart"
    assert header(worse(incident())) == "API p95 +149 % on GET /cart and 1 more"
    assert header(resolved(incident())) == "Resolved: API p95 +42 % on GET /cart"
    host = replace(CART, title="CPU use", labels=Labels.of(host="web-1"), unit=Unit.RATIO)
    assert header(incident(regressions=(host,))) == "CPU use +42 % on web-1"
    bare = replace(CART, title="", labels=Labels.of())
    assert header(incident(regressions=(bare,))) == "api_p95 +42 %"


def test_a_disturbance_that_was_told_went_away_and_was_not_only_suspected() -> None:
    over = replace(CART, phase=Phase.TRANSIENT, resolved_ms=minutes(40), value=0.58)
    shown = render(
        incident(phase=Phase.RESOLVED, resolved_ms=minutes(40), regressions=(over,)), URL
    )
    assert shown["text"].startswith("Went away: API p95 on GET /cart")
    assert "went away by itself after 37 min (+42 % at its worst), now 580 ms" in shown["text"]


def test_what_else_may_explain_it_is_told_with_its_numbers() -> None:
    work = {"load": "api_requests", "unit": "per_second", "now": 200.0, "usual": 100.0}
    kept = {**work, "days": 7, "series": 2, "value": 0.8, "usual_value": 0.5, "milder": False}
    one = replace(CART, tags=(Tag.LOAD_DRIVEN,), evidence={"tags": {"load_driven": kept}})
    shown = render(incident(regressions=(one,)), URL)
    told = "Load driven: api_requests is 200/s, 2 x the 100/s usual at this hour; for the same work"
    assert told in shown["text"]
    assert told in json.dumps(shown["attachments"])
    check_message(shown)
    moved = render(incident(regressions=(replace(CART, tags=(Tag.COST_SHIFT,)),)), URL)
    assert "Cost shift: other routes of this service got faster by as much" in moved["text"]


def test_a_deployment_is_correlated_and_never_the_cause() -> None:
    everything = "\n".join(strings(shown(worse(incident())))).lower()
    assert "correlated with shop 1.4.2, deployed 12:01 utc" in everything
    assert "cause" not in everything
    assert "because" not in everything
    assert "correlated" not in "\n".join(strings(shown(incident(deployment=None))))


def test_a_deployment_of_another_day_shows_its_day() -> None:
    early = Deployment(id="d", service="shop", version="1", at_ms=minutes(-24 * 60))
    assert "deployed 2026-03-01 12:00 UTC" in shown(incident(deployment=early))["text"]


def test_a_beginning_that_is_known_to_the_minute_or_spans_midnight_reads_so() -> None:
    sharp = replace(CART, began_hi_ms=CART.began_lo_ms)
    assert "since 2026-03-02 12:03 UTC," in shown(incident(regressions=(sharp,)))["text"]
    night = replace(CART, began_hi_ms=minutes(13 * 60))
    text = shown(incident(regressions=(night,)))["text"]
    assert "since 2026-03-02 12:03 - 2026-03-03 01:00 UTC," in text


def test_an_absolute_rule_shows_its_limit_and_claims_no_change() -> None:
    payload = shown(incident(regressions=(POOL,)))
    assert "is 140 ms, against the limit of 100 ms, since" in payload["text"]
    fields = list(strings(payload))
    assert "*Limit*\n100 ms" in fields
    assert not any(field.startswith(("*Change*", "*Baseline*")) for field in fields)


def test_a_baseline_of_nothing_has_no_percentage() -> None:
    payload = shown(incident(regressions=(replace(CART, baseline=0.0),)))
    assert "is 812 ms, normally 0 ms, since" in payload["text"]
    assert payload["blocks"][0]["text"]["text"] == "API p95 at 812 ms on GET /cart"


def test_an_end_that_is_not_written_down_is_that_of_its_regressions() -> None:
    over = replace(resolved(incident()), resolved_ms=None)
    assert "after 34 min" in shown(over)["text"]


def test_many_regressions_are_one_message_that_says_what_it_leaves_out() -> None:
    many = tuple(
        replace(CART, id=f"reg-{n:02}", worst=0.6 + n / 100, labels=Labels.of(route=f"/{n}"))
        for n in range(40)
    )
    payload = shown(incident(regressions=many))
    check_message(payload)
    text = "\n".join(strings(payload))
    assert "on /39 and 39 more" in payload["blocks"][0]["text"]["text"]
    assert "• and 29 more" in text
    assert f"{URL}/regressions/reg-39" in text


def test_links_lead_to_the_worst_open_regression_and_its_runbook() -> None:
    text = "\n".join(strings(shown(incident())))
    assert f"<{URL}/regressions/reg-cart|Chart and evidence>" in text
    assert "<https://wiki.example/runbooks/slow-cart|Runbook>" in text
    assert "<https://ci.example/shop/1.4.2|Deployment>" in text
    ours = incident(regressions=(replace(CART, runbook="/runbooks/api_p95_high"),))
    assert f"<{URL}/runbooks/api_p95_high|Runbook>" in "\n".join(strings(shown(ours)))
    odd = incident(regressions=(replace(CART, id="a/b c"),))
    assert f"<{URL}/regressions/a%2Fb%20c|" in "\n".join(strings(shown(odd)))


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "not a link", "http://[", "https://x/\ud800"],
)
def test_a_runbook_that_is_no_web_address_is_no_link(url: str) -> None:
    assert not link(url, "Runbook").startswith("<")


def hostile() -> Incident:
    evil = Labels.of(service=HOSTILE, method=HOSTILE, route=HOSTILE, **{"x": HOSTILE})
    first = replace(
        CART, title=HOSTILE, labels=evil, rule=HOSTILE, runbook="https://x/" + HOSTILE, id=HOSTILE
    )
    second = replace(first, id="other", baseline=None)
    release = Deployment(id="d", service=HOSTILE, version=HOSTILE, at_ms=minutes(1), url=HOSTILE)
    return incident(labels=evil, regressions=(first, second), deployment=release)


def test_hostile_labels_ring_nobody_and_link_nowhere() -> None:
    payload = shown(hostile())
    check_message(payload)
    for text in strings(payload):
        assert "<!" not in text
        assert "<@" not in text
        assert not re.search(r"@(here|channel|everyone)", text)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\ud800-\udfff]", text)
        for url in re.findall(r"<([^|>]*)", text):
            assert url.startswith((URL, "https://x/"))
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
        for line in text.split("\n"):
            assert line.count("`") % 2 == 0
    assert "\n" not in payload["text"]
    verbatim = [part for part in texts_of(payload) if part["type"] == "mrkdwn"]
    assert verbatim
    assert all(part["verbatim"] for part in verbatim)


def texts_of(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if part.get("type") in ("mrkdwn", "plain_text"):
            yield part
        for value in part.values():
            yield from texts_of(value)
    elif isinstance(part, list):
        for item in part:
            yield from texts_of(item)


@settings(max_examples=25, deadline=None)
@given(st.text(), st.text(max_size=400), st.sampled_from("&<>a`@|\u00e9\U0001f600"), st.floats())
def test_whatever_the_labels_are_slack_takes_the_message(
    title: str, label: str, filler: str, value: float
) -> None:
    labels = Labels.of(service=label, route=filler * 3500, shard=title)
    first = replace(CART, title=title, labels=labels, value=value, worst=value, rule=filler * 3000)
    second = replace(first, id=filler * 900, baseline=None, severity=Severity.CRITICAL)
    release = Deployment(
        id="", service=label, version=filler * 3000, at_ms=0, url="https://x/" + filler * 3500
    )
    told = incident(regressions=(first, *[second] * 12), labels=labels, deployment=release)
    for payload in (shown(told), shown(resolved(told)), as_repeat(shown(told))):
        check_message(payload)
        json.dumps(payload, ensure_ascii=False).encode()
        assert len(payload["text"]) < 4000
    assert shown(told) == shown(told)


@given(st.text(alphabet="&<>ab", max_size=40), st.integers(2, 20))
def test_a_cut_never_ends_inside_an_entity(text: str, limit: int) -> None:
    short = cut(escape(text), limit)
    assert len(short) <= limit
    assert not re.search(r"&(?!amp;|lt;|gt;)", short)


def test_a_cut_counts_whole_characters() -> None:
    assert cut("\U0001f600" * 5, 3) == "\U0001f600\U0001f600…"


def test_the_digest_is_of_what_people_see() -> None:
    assert digest(shown(incident(version=1))) == digest(shown(incident(version=2)))
    assert digest(shown(incident())) != digest(shown(incident(severity=Severity.CRITICAL)))


def test_block_ids_are_new_in_every_version() -> None:
    def ids(told: Incident) -> set[str]:
        payload = shown(told)
        blocks = payload["blocks"] + payload["attachments"][0]["blocks"]
        return {block["block_id"] for block in blocks}

    assert not ids(incident(version=1)) & ids(incident(version=2))


def test_the_note_about_a_repeat_is_there_once() -> None:
    payload = as_repeat(as_repeat(shown(incident())))
    check_message(payload)
    assert payload["text"].count("may be a repeat") == 1
    assert sum("may be a repeat" in text for text in strings(payload["attachments"])) == 1


def test_a_message_of_text_alone_keeps_its_sentence_and_its_mark() -> None:
    payload = shown(incident())
    bare = only_text(payload)
    assert is_only_text(bare)
    assert not is_only_text(payload)
    assert (bare["text"], bare["metadata"]) == (payload["text"], payload["metadata"])


def test_the_terminal_shows_the_sentence_without_entities() -> None:
    told = incident(regressions=(replace(CART, title="p95 <fast> & @here"),))
    assert "p95 <fast> & @here on GET /cart" in for_terminal(shown(told))


def test_an_incident_resolved_in_part_leads_with_what_is_open() -> None:
    over = replace(CART, phase=Phase.RESOLVED, severity=Severity.CRITICAL)
    payload = shown(incident(regressions=(over, POOL)))
    assert payload["blocks"][0]["text"]["text"].startswith("Database p95")
    assert "critical (resolved)" in "\n".join(strings(payload))


@pytest.mark.parametrize(
    ("phase", "changes", "sentence", "small"),
    [
        (Phase.ACKNOWLEDGED, {}, "Warning: API p95", "Acknowledged by ada"),
        (Phase.MUTED, {}, "Warning, muted: API p95", "Muted by ada until it is resolved"),
        (
            Phase.MUTED,
            {"muted_until_ms": minutes(60)},
            "Warning, muted: API p95",
            "Muted by ada until 2026-03-02 13:00 UTC",
        ),
        (
            Phase.ACCEPTED,
            {},
            "Accepted: API p95 on GET /cart of shop is 812 ms, +42 % against its baseline of "
            "571 ms, accepted as the new normal, since",
            "Accepted as the new normal by ada",
        ),
        (
            Phase.FALSE_POSITIVE,
            {},
            "False positive: API p95 on GET /cart of shop was +42 % at its worst, marked as a "
            "false positive, since",
            "Marked as a false positive by ada",
        ),
        (Phase.RESOLVED, {}, "Resolved: API p95", "Resolved by ada"),
    ],
)
def test_what_somebody_decided_is_in_the_message(
    phase: Phase, changes: dict[str, int], sentence: str, small: str
) -> None:
    payload = shown(decided(incident(), phase, **changes))
    assert payload["text"].startswith(sentence)
    assert small in "\n".join(strings(payload["attachments"]))


def test_what_only_some_decided_is_said_of_nobody() -> None:
    mixed = replace(CART, phase=Phase.MUTED, by="ada")
    payload = shown(incident(regressions=(mixed, POOL)))
    assert "ada" not in "\n".join(strings(payload))
    assert "(muted)" in "\n".join(strings(payload))


# --- incidents of several things ---


def found(*reasons: OriginReason, **changes: Any) -> Finding:
    """The pool is the origin of a slow cart."""
    probable = Origin(OriginVerdict.PROBABLE, POOL.id, reasons or (OriginReason.DEEPEST,))
    return replace(Finding(origin=probable), **changes)


def fit(slots: Check, peers: Peers, id_: str = "dep-1") -> Correlation:
    """A correlation with the release."""
    return Correlation(
        deployment_id=id_, service="shop", version="1.4.2", at_ms=minutes(1), url="",
        regression_id=CART.id, match=Match.SAME_SERVICE, score=0.9,
        slots=Slots(slots, 1.4, 1.0, 0.02, 7), peers=peers,
    )  # fmt: skip


BOTH = (replace(CART, severity=Severity.CRITICAL), POOL)


def test_the_probable_origin_comes_first_however_bad_the_others_are() -> None:
    plain_one = shown(incident(regressions=BOTH))
    assert plain_one["blocks"][0]["text"]["text"].startswith("API p95 +42 %")
    told = shown(incident(regressions=BOTH, finding=found()))
    assert told["blocks"][0]["text"]["text"] == "Database p95 at 160 ms on select_cart and 1 more"
    assert "with 1 more regression after it" in told["text"]
    said = list(strings(told))
    assert "*Probable origin*\nDatabase p95 on select_cart: the others rest on it" in said
    assert any("• API p95 +42 %" in text for text in said)
    check_message(told)


def test_every_reason_of_an_origin_is_told() -> None:
    told = incident(regressions=BOTH, finding=found(*OriginReason))
    assert origin(told) == (
        "Database p95 on select_cart: it changed first, the others rest on it, "
        "a deployment of its service fits"
    )


def test_an_origin_that_is_over_does_not_hide_what_is_open() -> None:
    over = replace(POOL, phase=Phase.RESOLVED)
    told = shown(incident(regressions=(CART, over), finding=found()))
    assert told["blocks"][0]["text"]["text"].startswith("API p95 +42 %")
    both_over = tuple(replace(one, phase=Phase.RESOLVED) for one in (CART, POOL))
    told = shown(incident(regressions=both_over, phase=Phase.RESOLVED, finding=found()))
    assert told["blocks"][0]["text"]["text"].startswith("Resolved: Database p95")


def test_what_is_not_told_apart_is_not_named_and_a_storm_is_called_one() -> None:
    unknown = Finding(origin=Origin(OriginVerdict.NOT_TOLD_APART))
    said = list(strings(shown(incident(regressions=BOTH, finding=unknown))))
    assert "*Probable origin*\nnot told apart" in said
    storm = shown(incident(regressions=BOTH, finding=replace(unknown, storm=True)))
    assert "with 1 more regression of many services at once" in storm["text"]
    assert "*Probable origin*\nnot told apart: many services at once" in list(strings(storm))
    one_thing = Finding(origin=Origin(OriginVerdict.ONLY_ONE, CART.id))
    said = list(strings(shown(incident(regressions=BOTH, finding=one_thing))))
    assert "*Probable origin*\none thing by several measures" in said
    assert not any("Probable origin" in text for text in strings(shown(incident())))


def test_a_correlation_is_probable_only_when_both_comparisons_passed() -> None:
    steady = Peers(Check.PASSED, 3, 0)
    probable = incident(finding=Finding(correlations=(fit(Check.PASSED, steady),)))
    assert (
        "correlated with shop 1.4.2, deployed 12:01 UTC (probable: unlike the same time of 7 days "
        "before, 0 of 3 peers moved)."
    ) in shown(probable)["text"]
    for one in (
        fit(Check.FAILED, steady),
        fit(Check.PASSED, Peers()),
        fit(Check.PASSED, steady, "dep-2"),
    ):
        told = shown(incident(finding=Finding(correlations=(one,))))["text"]
        assert "deployed 12:01 UTC. " in told
        assert "probable" not in told


@pytest.mark.parametrize(
    ("slots", "peers", "words"),
    [
        (Check.PASSED, Peers(), "unlike the same time of 7 days before, no peers to compare with"),
        (Check.FAILED, Peers(), "like the same time of 7 days before, no peers to compare with"),
        (
            Check.UNKNOWN,
            Peers(Check.FAILED, 4, 2),
            "not yet compared with the same time of the days before, 2 of 4 peers moved",
        ),
    ],
)
def test_comparisons_are_told_as_they_came_out(slots: Check, peers: Peers, words: str) -> None:
    assert compared(fit(slots, peers)) == words


def test_an_incident_of_several_links_to_its_page() -> None:
    text = "\n".join(strings(shown(incident(regressions=BOTH))))
    assert f"<{URL}/incidents/inc-1|Incident>" in text
    assert "/incidents/" not in "\n".join(strings(shown(incident())))


def test_what_became_part_of_another_incident_leads_there() -> None:
    gone = incident(regressions=(), phase=Phase.RESOLVED, finding=Finding(merged_into="inc-0"))
    payload = shown(gone)
    check_message(payload)
    assert payload["text"].startswith("Part of another incident: its regressions are told with")
    assert payload["text"].endswith(f"{URL}/incidents/inc-0")
    assert f"<{URL}/incidents/inc-0|That incident>" in list(strings(payload))


def test_a_suspicion_says_that_it_is_one_and_when_it_went_away() -> None:
    suspected = replace(CART, phase=Phase.SUSPECTED, incident_id="")
    told = render(suspicion(suspected), "http://127.0.0.1:1")
    assert told["text"].startswith("Warning, suspected: ")
    assert told["blocks"][0]["text"]["text"].startswith("Warning, suspected: ")
    gone = replace(suspected, phase=Phase.TRANSIENT, resolved_ms=CART.updated_ms)
    over = render(suspicion(gone), "http://127.0.0.1:1")
    assert over["text"].startswith("Withdrawn: ")
    assert "was suspected" in over["text"]
