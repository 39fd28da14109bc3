"""A signal explained on the command line, with and without a Plimsoll that runs."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.config import ServerConfig
from api.explain import defined, explained, judged, listed, windows
from api.main import app
from detector.config import build_signals
from detector.promql import compile
from detector.run import Definitions
from tests.api.asking import HERE, Client
from tests.api.shop import definitions
from tests.servers import free_port

FORMS = {
    "quick": {"form": "share", "metric": "lag_seconds", "bound": 0.5, "by": ["target", "route"]},
    "level": {"form": "gauge", "metric": "level"},
}
SIGNALS = definitions().signals


class Through(httpx.BaseTransport):
    """To an application, without a server."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        got = self.client.get(request.url.raw_path.decode())
        return httpx.Response(got.status_code, content=got.content)


def asking(transport: httpx.BaseTransport) -> httpx.Client:
    return httpx.Client(base_url=HERE, transport=transport)


def answering(status: int, text: str = "") -> httpx.Client:
    return asking(httpx.MockTransport(lambda request: httpx.Response(status, text=text)))


def test_the_signals_are_listed_with_form_and_rules() -> None:
    mine = Definitions(build_signals(FORMS), {})
    assert list(listed(mine)) == [
        "quick  share     quick (shown, not judged)",
        "level  gauge     level (shown, not judged)",
    ]
    told = [" ".join(line.split()) for line in listed(definitions())]
    assert "api_p95 quantile API p95 (3 rules)" in told
    assert list(listed(Definitions({}, {}))) == []


def test_a_signal_is_told_as_it_is_defined_and_as_promql() -> None:
    told = list(defined(build_signals(FORMS)["quick"]))
    assert told[0] == "quick: quick"
    assert "form: share" in told
    for line in ("  by: target, route", "  bound: 0.5", "  window: 1m", "  metric: lag_seconds"):
        assert line in told
    assert told[-1] == f"  {compile(build_signals(FORMS)['quick'])}"
    assert SIGNALS["api_p95"].form.description in list(defined(SIGNALS["api_p95"]))


def test_the_rules_are_told_in_words() -> None:
    told = list(judged(definitions(), SIGNALS["api_p95"]))
    assert "  api_p95_high (warning): above 500 ms for 5 min (all 5 one-minute windows)" in told
    assert "    at least 20 observations in a window" in told
    assert any(line.startswith("    over when ") for line in told)
    assert list(judged(definitions(), SIGNALS["api_requests"])) == [
        "rules: none, it is shown and not judged"
    ]


def test_the_last_windows_of_each_series_are_shown_with_n(asked: Client) -> None:
    told = list(windows(asking(Through(asked)), SIGNALS["api_p95"]))
    # The shop has windows and no samples.
    assert told[0].startswith("unknown, metric_not_seen: no target shows `http_server_request_")
    assert told[1] == f"windows of 1 min, from {HERE}:"
    at = told.index("  GET /cart of shop")
    rows = told[at + 1 : at + 6]
    assert rows[-1].startswith("    2026-03-02 12:00:00  ")
    assert all(" ms  n " in row for row in rows)
    assert not told[at + 6 : at + 7] or not told[at + 6].startswith("    ")


def test_a_signal_without_series_says_so(client: Client) -> None:
    told = list(windows(asking(Through(client)), SIGNALS["api_p95"]))
    assert told[-1] == f"windows: none yet; the Plimsoll at {HERE} has no series of this signal"
    assert told[0].startswith("unknown, metric_not_seen: ")


def test_of_many_series_the_first_are_shown_and_the_rest_counted(
    asked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.explain.SERIES_SHOWN", 1)
    told = list(windows(asking(Through(asked)), SIGNALS["api_p95"]))
    assert len([line for line in told if line.endswith(" of shop")]) == 1
    assert told[-1].startswith("  and ")


def test_a_signal_that_the_other_does_not_know_is_told(asked: Client) -> None:
    told = list(windows(asking(Through(asked)), build_signals(FORMS)["quick"]))
    assert told == [f"windows: the Plimsoll at {HERE} does not know this signal"]


@pytest.mark.parametrize(
    "client",
    [lambda: answering(502), lambda: answering(200, "<html>"), lambda: answering(200, "{}")],
)
def test_an_answer_that_is_none_of_ours_is_told(client: Callable[[], httpx.Client]) -> None:
    (told,) = windows(client(), SIGNALS["api_p95"])
    assert told.endswith("but not as this Plimsoll does")


def test_without_a_plimsoll_the_rest_is_told_and_that_none_runs() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    told = list(explained(definitions(), SIGNALS["api_p95"], ServerConfig(), url))
    assert told[0] == "api_p95: API p95"
    assert told[-1] == f"windows: no Plimsoll runs at {url}, so there are none to show"


def test_an_address_that_is_none_is_told() -> None:
    told = list(explained(definitions(), SIGNALS["api_p95"], ServerConfig(), "http://here:there"))
    assert "is not an address" in told[-1]


def test_the_command_lists_and_explains(tmp_path: Path) -> None:
    config = tmp_path / "plimsoll.yaml"
    config.write_text(f"server: {{port: {free_port()}}}\n")
    shown = CliRunner().invoke(app, ["signals", "--config", str(config)])
    assert (shown.exit_code, shown.exception) == (0, None)
    one = CliRunner().invoke(app, ["signals", "explain", "api_p95", "--config", str(config)])
    assert (one.exit_code, one.exception) == (0, None)


def test_a_signal_that_is_not_there_is_an_error() -> None:
    assert CliRunner().invoke(app, ["signals", "explain", "api_p59"]).exit_code == 1
