"""The pages without a script: what they say stands in the HTML."""

import re
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest

from api.house import House
from api.pages.overview import MOST_PANELS, sections
from api.pages.render import KINDS, MARKS, coded, count
from api.standing import Series, Standing, series_id
from collector.config import CollectorConfig, Target
from dashboards.overview import KINDS as DASHBOARD_KINDS
from detector.readings import Reading
from detector.regression import Kind, Phase, Severity
from storage.series import Labels
from tests.api.asking import Client
from tests.api.shop import CART, NOW_MS, definitions
from tests.api.test_regressions import cart, put
from tests.detector.regressions import regression

STATIC = Path(__file__).parents[2] / "api" / "static"
PAGES = (
    "/",
    "/regressions",
    "/signals/api_p95",
    "/signals/db_p95?span=7d",
    "/signals/host_cpu_usage",
    f"/signals/api_p95/series/{series_id(CART)}",
    f"/signals/api_p95/series/{series_id(CART)}?at=2026-03-01T12:00:00Z",
)


def text(asked: Client, path: str) -> str:
    """A page as it reads."""
    answer = asked.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    body = re.sub(r"<head>.*?</head>", "", answer.text, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_overview_begins_with_the_state_in_words(asked: Client) -> None:
    said = text(asked, "/")
    assert "5 regressions open" in said
    assert "20 series of 10 signals" in said
    assert "day 7 of 7" in said


def test_open_regressions_stand_above_the_signals(asked: Client) -> None:
    said = text(asked, "/")
    card, signals = said.index("API p95 +51 % on GET /cart of shop"), said.index("Signals")
    assert card < signals
    assert "▲ critical" in said
    assert "Since 2026-03-02 11:00 UTC , correlated with shop 2.7.1, deployed 11:01 UTC" in said


def test_what_two_rules_found_on_one_series_is_one_card_that_names_both(asked: Client) -> None:
    page = asked.get("/").text
    cards = re.findall(r'<li class="card card-.*?</li>', page, re.S)
    headings = [re.findall(r"<h3>.*?>([^<]+)</a>", one)[0] for one in cards]
    assert len(set(headings)) == len(headings)
    (twice,) = [one for one in cards if "API p95" in one]
    said = re.sub(r"<[^>]+>", "", twice)
    rules = {"api_response_time_regression", "api_response_time_change"}
    assert set(re.findall(r"api_response_time_\w+", said)) == rules
    every = asked.get("/api/v1/regressions?state=open").json()["items"]
    same = [one for one in every if one["rule"] in rules]
    assert len({one["severity"] for one in same}) == 1
    earliest = min(same, key=lambda one: one["opened_at"])
    assert f'id="card-{earliest["id"]}"' in twice
    head = text(asked, "/")
    assert f"{len(every)} regressions open on {len(cards)} series" in head
    assert f"<title>({len(every)}) Plimsoll</title>" in page
    rows = re.findall(r'<li class="row row-open".*?</li>', page, re.S)
    assert all(one.count("mark-critical") <= 1 for one in rows)


@pytest.mark.parametrize("path", ["/deployments", "/regressions"])
def test_what_is_called_the_same_in_a_list_is_told_apart_by_its_rule(
    asked: Client, path: str
) -> None:
    (table,) = re.findall(r"<tbody>.*</tbody>", asked.get(path).text.replace("<wbr>", ""), re.S)
    assert "api_response_time_change" in table
    assert "api_response_time_regression" in table


@pytest.mark.parametrize(
    ("path", "names"),
    [("/regressions", ["Set in", "Lasted"]), ("/deployments", ["When", "Commit"])],
)
def test_where_a_phone_hides_the_head_of_a_table_its_cells_are_named(
    asked: Client, path: str, names: list[str]
) -> None:
    page = asked.get(path).text
    for name in names:
        assert f'<span class="cell-name wide">{name}</span>' in page


def test_names_between_backticks_are_code_and_all_else_is_escaped() -> None:
    assert coded("no `<a>` & `b`") == "no <code>&lt;a&gt;</code> &amp; <code>b</code>"
    assert coded("one ` alone") == "one ` alone"


def test_large_counts_have_their_thousands_apart() -> None:
    assert [count(one) for one in (0, 999, 14400, 380803.0)] == ["0", "999", "14,400", "380,803"]


def test_signals_that_wait_are_folded_until_somebody_asks(client: Client) -> None:
    page = client.get("/").text
    assert re.search(r"<details id=.waiting-list.>\s*<summary>\d+ signals that ship", page)


def test_numbers_are_there_without_any_script(asked: Client) -> None:
    said = text(asked, "/")
    assert "329 ms 7-day average avg 218 ms +51 %" in said
    assert "API p95 of GET /cart of shop: now 329 ms, 7-day average 218 ms." in said


def test_signals_are_grouped_by_kind_in_a_fixed_order(asked: Client) -> None:
    page = asked.get("/").text
    kinds = re.findall(r'<h3 class="kind-title">([^<]+)</h3>', page)
    assert kinds == ["API", "Database", "Cache", "Resources"]
    assert KINDS.keys() == DASHBOARD_KINDS.keys()


def test_what_was_resolved_lately_is_told(asked: Client) -> None:
    said = text(asked, "/")
    assert "Resolved in the last 7 days" in said
    assert "✓ resolved Cache hit rate -17 % on products of shop" in said


def test_nothing_open_is_said_in_words(client: Client, house: House) -> None:
    house.detector.tick(NOW_MS)
    assert "Nothing has regressed" in text(client, "/")


def test_a_newcomer_is_told_the_next_step(client: Client, house: House) -> None:
    before = text(client, "/")
    assert "Taking the first readings" in before
    assert "No readings yet" in before
    house.detector.tick(NOW_MS)
    said = text(client, "/")
    assert "day 1 of 7" in said
    assert "begin when 5 of 7 days have data" in said
    assert "collector: targets: - name: shop url: http://127.0.0.1:8000/metrics" in said
    assert "Waiting for data" in said
    assert "db_client_operation_duration_seconds_bucket" in said


def test_the_example_for_a_newcomer_is_a_configuration_that_works(client: Client) -> None:
    import yaml

    block = re.search(r"<pre[^>]*><code>(.*?)</code>", client.get("/").text, re.S)
    assert block is not None
    config = CollectorConfig.model_validate(yaml.safe_load(unescape(block[1]))["collector"])
    assert config.targets == [Target(name="shop", url="http://127.0.0.1:8000/metrics")]


def test_live_values_are_shown_before_anything_was_judged(client: Client, house: House) -> None:
    nan = float("nan")
    reading = Reading("host_cpu_usage", Labels.of(target="host"), NOW_MS, 0.42, 8, nan, nan, 0)
    house.detector.readings["host_cpu_usage"] = (reading,)
    said = text(client, "/")
    assert "CPU usage" in said
    assert "42 % day 1 of 7" in said


def test_of_many_series_the_weightiest_are_shown_and_the_rest_is_linked(
    client: Client, house: House
) -> None:
    nan = float("nan")
    house.detector.readings["api_p95"] = tuple(
        Reading("api_p95", Labels.of(route=f"/r{i:02}"), NOW_MS, 0.1, float(i), nan, nan, 0)
        for i in range(10)
    )
    said = text(client, "/")
    assert "/r09" in said
    assert "/r03" not in said
    assert "4 more series" in said


def test_a_page_of_a_regression_says_why_it_fired(asked: Client) -> None:
    said = text(asked, f"/regressions/{cart(asked)['id']}")
    assert "API p95 on GET /cart of shop is 329 ms, +51 % against its baseline of 218 ms" in said
    assert "4 of 4 five-minute windows were above 1.2 x the 7-day average of 218 ms" in said
    assert "below 1.1 x the 7-day average for 1 h without a break" in said
    assert "shop 2.7.1 deployed" in said
    assert "suspected : api_response_time_regression holds, and may still go away" in said
    assert "opened : confirmed by detector" in said
    assert "Also part of this incident" in said
    assert "2026-03-02 12:00 UTC 331 ms" in said or "The chart as numbers" in said


def test_its_chart_knows_the_frozen_baseline_and_the_change(asked: Client) -> None:
    page = asked.get(f"/regressions/{cart(asked)['id']}").text
    figure = re.search(r"<figure[^>]*data-chart=\"large\"[^>]*>", page)
    assert figure is not None
    for name in ("since", "until", "expected", "upper", "lower", "shade", "limits"):
        assert f"data-{name}=" in figure[0]


def test_the_chart_is_there_as_a_table_too(asked: Client) -> None:
    page = asked.get(f"/regressions/{cart(asked)['id']}").text
    rows = re.findall(r"<tr><td>.*?</tr>", page)
    assert 20 < len(rows) <= 60
    assert " ms</td>" in rows[-1]


def test_a_signal_shows_rules_and_the_latest_verdicts_with_reasons(asked: Client) -> None:
    said = text(asked, "/signals/api_p95")
    assert "above 500 ms for 5 min (all 5 one-minute windows)" in said
    assert "regressed: 4 of 4 windows beyond 262 ms, the last at 329 ms" in said
    # What does not change stands in the ledger as it was when it was said last.
    assert re.search(r"steady: [\d.]+ ms, the threshold is 11\d ms", said)


def test_a_signal_without_data_says_what_it_waits_for(client: Client) -> None:
    said = text(client, "/signals/cache_hit_rate")
    assert "No data yet" in said
    assert 'cache_requests_total{result="hit"}' in said


def test_a_link_of_a_dashboard_leads_to_the_signal(asked: Client) -> None:
    answer = asked.get("/?signal=api_p95")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/signals/api_p95"


def test_the_history_is_filtered_by_its_form(asked: Client) -> None:
    form = "/regressions?state=resolved&severity=&signal=&rule=cache_hit_rate_low&target="
    said = text(asked, form)
    assert "Cache hit rate at 79.1 % on products of shop" in said
    assert "on GET /cart" not in said
    assert "No regression fits these filters" in text(asked, "/regressions?target=host")


def test_the_history_is_paged(client: Client, house: House) -> None:
    assert "Nothing has regressed since Plimsoll began to watch" in text(client, "/regressions")
    for number in range(30):
        put(house, number, NOW_MS + number)
    first = client.get("/regressions?rule=cpu_high").text
    older = re.search(r'href="([^"]+)" rel="next"', first)
    assert older is not None
    second = client.get(unescape(older[1]))
    assert len(re.findall(r'<tr id="regression-', first)) == 25
    assert len(re.findall(r'<tr id="regression-', second.text)) == 5
    assert 'rel="next"' not in second.text
    assert 'rel="first"' in second.text


def test_a_wrong_filter_is_a_page_that_says_so(asked: Client) -> None:
    answer = asked.get("/regressions?state=closed", headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert "?state: input should be" in unescape(answer.text)


def test_labels_are_escaped(client: Client, house: House) -> None:
    put(house, 1, NOW_MS, labels=Labels.of(target='"><img src=x onerror=alert(1)>'))
    for path in ("/", "/regressions", "/regressions/reg_001", "/signals/host_cpu_usage"):
        page = client.get(path).text
        assert "<img src=x" not in page
        assert "onerror=alert(1)&gt;" in page


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_no_inline_script_or_style_and_ask_nobody_else(asked: Client, path: str) -> None:
    page = asked.get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!ci\.example)', page)


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_landmarks_one_heading_and_unique_ids(asked: Client, path: str) -> None:
    page = asked.get(path).text
    assert page.count("<h1") == 1
    for landmark in ("<header", "<main", "<footer", "<nav"):
        assert landmark in page
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    levels = [int(one) for one in re.findall(r"<h([1-6])", page)]
    assert all(b - a <= 1 for a, b in pairwise(levels)), levels
    figures = re.findall(r"<figure.*?</figure>", page, re.S)
    assert all(re.search(r"<figcaption[^>]*>\S", one) for one in figures)


def test_every_severity_and_state_has_a_mark_of_its_own_shape() -> None:
    assert {*Severity, *Phase, Kind.IMPROVEMENT} - {Phase.OPEN} == set(MARKS)
    alike = {Phase.RESOLVED, Phase.ACCEPTED}  # both are over and well
    assert len(set(MARKS.values())) == len(MARKS) - len(alike) + 1


def test_everything_a_page_loads_is_there(asked: Client) -> None:
    page = asked.get("/").text
    loaded = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert len(loaded) >= 5
    for path in loaded:
        assert asked.get(path).status_code == 200, path
    for script in STATIC.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text()):
            assert (STATIC / name).exists()


def test_the_library_for_charts_comes_with_its_licence() -> None:
    assert "MIT License" in (STATIC / "uplot" / "LICENSE").read_text()


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours, WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_keeps_contrast_aa_in_light_and_dark(scheme: int) -> None:
    css = (STATIC / "plimsoll.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.S)
    colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[scheme]))
    pairs = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("ground", "card")]
    pairs += [(one, f"{one}-ground") for one in ("critical", "warning", "info", "resolved")]
    pairs += [("card", "accent"), ("critical", "card"), ("warning", "card"), ("critical", "ground")]
    for one, other in pairs:
        assert contrast(colour[one], colour[other]) >= 4.5, (one, other)
    for drawn in ("series", "limit", "deployment"):
        assert contrast(colour[drawn], colour["card"]) >= 3, drawn


def web_signals(open_on: str = "") -> list[Standing]:
    """Every shipped signal of browsers with a series; on one of them something is open."""
    known = definitions()
    labels = Labels.of(service="shop", device="mobile")
    return [
        Standing(
            signal,
            known.rules_of(name),
            (Series(labels, None, (regression(1),) if name == open_on else ()),),
        )
        for name, signal in known.signals.items()
        if signal.form.kind == "web"
    ]


def test_of_a_kind_with_many_signals_the_overview_only_names_pools_and_what_no_rule_judges() -> (
    None
):
    every = web_signals()
    ((title, panels, folded),) = sections(every)
    shown = [panel["signal"].name for panel in panels]  # type: ignore[attr-defined]
    assert title == "Web vitals"
    assert shown == ["rum_lcp", "rum_inp", "rum_fcp", "rum_ttfb", "rum_cls_good"]
    assert len(folded) == len(every) - len(shown)
    assert folded[0].count == 1


def test_what_is_open_has_its_panel_however_many_there_are() -> None:
    ((_, panels, folded),) = sections(web_signals(open_on="rum_lcp_route_group"))
    shown = [panel["signal"].name for panel in panels]  # type: ignore[attr-defined]
    assert "rum_lcp_route_group" in shown
    assert "rum_lcp_route_group" not in [one.name for one in folded]


def test_of_a_kind_with_few_signals_all_have_a_panel() -> None:
    few = web_signals()[:MOST_PANELS]
    ((_, panels, folded),) = sections(few)
    assert (len(panels), folded) == (MOST_PANELS, [])
