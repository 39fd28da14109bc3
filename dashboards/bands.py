"""The band of one series: four queries with fixed names, and how their lines are drawn."""

from typing import Any

from dashboards.panels import Query, override, query

# The four lines of a band. Grafana finds the lower edge by its display name, exactly, so these
# names are the same in every band panel and never hold a label.
VALUE, EXPECTED, UPPER, LOWER = "value", "expected", "upper", "lower"


def band(selector: str, ref: str = "") -> list[Query]:
    """The four queries of one series: its value, what was expected, and the edges around it.

    Each aggregates to exactly one series. With two, the lower edge would be found by name twice
    and the band would be drawn to the wrong one.
    """
    return [
        query(f"max(plimsoll_signal_value{selector})", VALUE, ref=f"{ref}{VALUE}"),
        query(f"max(plimsoll_signal_expected{selector})", EXPECTED, ref=f"{ref}{EXPECTED}"),
        query(f"max(plimsoll_signal_upper{selector})", UPPER, ref=f"{ref}{UPPER}"),
        query(f"min(plimsoll_signal_lower{selector})", LOWER, ref=f"{ref}{LOWER}"),
    ]


def band_look() -> list[dict[str, Any]]:
    """How the lines of a band are drawn: green value, dashed expectation, blue between the edges.

    If `fillBelowTo` names no series of the panel, Grafana leaves the band out without a word.
    """
    blue = {"mode": "fixed", "fixedColor": "blue"}
    edge = {
        "color": blue,
        "custom__lineWidth": 0,
        "custom__showPoints": "never",
        "custom__hideFrom": {"legend": True, "tooltip": False, "viz": False},
    }
    return [
        override(UPPER, custom__fillBelowTo=LOWER, custom__fillOpacity=18, **edge),
        override(LOWER, **edge),
        override(
            EXPECTED,
            color=blue,
            custom__lineStyle={"fill": "dash", "dash": [6, 6]},
            custom__showPoints="never",
        ),
        override(VALUE, color={"mode": "fixed", "fixedColor": "green"}, custom__lineWidth=2),
    ]
