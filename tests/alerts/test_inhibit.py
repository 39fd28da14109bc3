"""What keeps what quiet."""

import pytest

from alerts.inhibit import InhibitRule, inhibitor
from alerts.matchers import parse

DOWN = {"alertname": "down", "severity": "critical", "zone": "a"}
SLOW = {"alertname": "slow", "severity": "warning", "zone": "a"}
RULE = InhibitRule(parse("severity=critical"), parse("severity=~warning|info"), ("zone",))


@pytest.mark.parametrize(
    ("target", "firing", "quiet"),
    [
        (SLOW, [DOWN], True),
        (SLOW, [], False),
        (SLOW, [{**DOWN, "zone": "b"}], False),
        (SLOW, [{**DOWN, "severity": "info"}], False),
        (DOWN, [DOWN], False),
        ({**SLOW, "severity": "page"}, [DOWN], False),
        # A label that both lack is the same in both.
        ({"severity": "info"}, [{"severity": "critical"}], True),
        ({"severity": "info"}, [DOWN], False),
    ],
)
def test_a_source_keeps_its_targets_quiet_where_the_labels_agree(
    target: dict[str, str], firing: list[dict[str, str]], quiet: bool
) -> None:
    assert (inhibitor([RULE], target, firing) is not None) is quiet


def test_no_two_alerts_inhibit_each_other() -> None:
    both = InhibitRule(parse("alertname=~slow|down"), parse("alertname=~slow|down"), ("zone",))
    assert inhibitor([both], SLOW, [SLOW]) is None
    assert inhibitor([both], SLOW, [DOWN, SLOW]) is None
    one_sided = InhibitRule(parse("zone=a"), parse("alertname=slow"))
    assert inhibitor([one_sided], SLOW, [SLOW]) is None
    assert inhibitor([one_sided], SLOW, [SLOW, DOWN]) == DOWN
