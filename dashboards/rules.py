"""Prometheus rule files from the same signals and rules: a file for each signal.

For those who want Prometheus, Mimir or vmalert to find by itself what it can. Every signal is
recorded under `plimsoll:<signal>:value_<span>`; every rule that PromQL can say becomes an alert,
with what it leaves out in its annotations.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dashboards.promrules import (
    BASELINE_EVERY,
    WHY,
    WHY_NOT,
    Breach,
    LeftOut,
    Recorded,
    Unsaid,
    breach_of,
    left_out,
    unsaid,
)
from detector.regression import Severity
from detector.rule import Rule, Span
from detector.signal import Signal
from storage.duration import written

Json = dict[str, Any]
KIND = "regression"
# Time to the millisecond, as Grafana wants it; Prometheus' templates know it only by asking.
MOMENT = '{{{{ with query "{}" }}}}{{{{ . | first | value | printf "%.0f" }}}}000{{{{ end }}}}'
#: The six hours before an evaluation: a link in an old message still leads there.
AROUND = f"&from={MOMENT.format('time() - 21600')}&to={MOMENT.format('time()')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the alerts say beside numbers: rules in words, and where a click leads."""

    sentences: Mapping[str, str]
    plimsoll_url: str
    grafana_url: str = ""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The file of one signal: its groups, and what became of each of its rules."""

    signal: Signal
    groups: list[Json]
    baseline: list[Json]
    exported: dict[str, list[LeftOut]]
    refused: dict[str, Unsaid]

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"plimsoll-{self.signal.name}.rules.yaml"

    @property
    def baseline_name(self) -> str:
        """The name of the file of its baseline."""
        return f"plimsoll-{self.signal.name}.baseline.yaml"

    @property
    def baseline_text(self) -> str:
        """The file of its baseline; empty where no rule asks for one.

        A file of its own, because tests of the alerts give them a baseline instead of seven days.
        """
        if not self.baseline:
            return ""
        title = f"# {self.signal.title}: what was normal in the last 7 days, once an hour.\n"
        return title + dump({"groups": self.baseline})

    @property
    def text(self) -> str:
        """The file; the same signal and rules give the same bytes."""
        lines = [f"# {self.signal.title}: written by Plimsoll, and again when its rules change."]
        for rule, missing in self.exported.items():
            lines += [f"# {rule}, in Plimsoll more than here:"] * bool(missing)
            lines += [f"#   {one}: {WHY[one]}" for one in missing]
        lines += [f"# {rule} is not here: {WHY_NOT[why]}" for rule, why in self.refused.items()]
        return "\n".join(lines) + "\n" + dump({"groups": self.groups})


class Dumper(yaml.SafeDumper):
    """YAML with expressions as blocks, so that they can be read."""


def block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """A text of several lines as a block, another one as it is."""
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, block)


def dump(content: Json) -> str:
    """As YAML."""
    return yaml.dump(content, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True)


def rule_files(
    signals: Mapping[str, Signal], rules: Mapping[str, Rule], told: Told
) -> list[RuleFile]:
    """A file for each signal, in their order."""
    return [
        rule_file(signal, {n: r for n, r in rules.items() if r.signal == name}, told)
        for name, signal in signals.items()
    ]


def rule_file(signal: Signal, rules: Mapping[str, Rule], told: Told) -> RuleFile:
    """The recorded series of a signal, its baseline where a rule asks for one, and its alerts."""
    refused = {name: why for name, rule in rules.items() if (why := unsaid(rule, signal))}
    made = {n: breach_of(rule, signal) for n, rule in rules.items() if n not in refused}
    past = Recorded(signal, signal.form.over)
    asks = any(breach.asks_the_past for breach, _ in made.values())
    burns = any(breach.burns for breach, _ in made.values())
    spans = dict.fromkeys([signal.form.over, *(span.each_ms / 1000 for _, span in made.values())])
    groups = []
    for seconds in spans:
        recorded = Recorded(signal, seconds)
        inside = [record(*one) for one in recorded.records()]
        if (asks or burns) and seconds == past.seconds:
            inside += [record(*one) for one in past.weighted()]
        for name, (breach, span) in made.items():
            if span.each_ms / 1000 == seconds:
                inside += alerts(name, breach, span, told)
        groups.append(group(f"plimsoll:{signal.name}:{written(seconds)}", seconds, inside))
    baseline = [record(*one) for one in past.baselines()] if asks else []
    hourly = [group(f"plimsoll:{signal.name}:baseline", BASELINE_EVERY, baseline)] if asks else []
    exported = {name: left_out(rules[name]) for name in made}
    return RuleFile(signal, groups, hourly, exported, refused)


def group(name: str, seconds: float, rules: list[Json]) -> Json:
    """Rules that are evaluated together, in their order."""
    return {"name": name, "interval": written(seconds), "rules": rules}


def record(name: str, expr: str) -> Json:
    """A recording rule."""
    return {"record": name, "expr": expr}


def alerts(name: str, breach: Breach, span: Span, told: Told) -> Iterator[Json]:
    """The alert of a rule, and the one that says that it is critical where it can become so."""
    each = span.each_ms / 1000
    beyond = breach.counted(breach.breached(breach.rule.trigger))
    lasting: Json = {}
    condition = beyond
    if span.need == span.of:
        if span.of > 1:
            lasting["for"] = written(each * (span.of - 1))  # the first window is over already
    else:
        counted = f"plimsoll:{name}:breach"
        yield record(counted, f"({beyond}) >= bool -Inf")
        # Half a window less than they take, so that no window more falls into it.
        within = written(each * (span.of - 0.5))
        condition = f"({beyond})\nand (count_over_time({counted}[{within}]) >= {span.need})"
    condition = breach.gated(condition)
    lasting["keep_firing_for"] = written(breach.rule.clear.for_)
    yield alert(name, breach, condition, lasting, breach.rule.severity, told)
    critical = breach.critical()
    if critical is not None and breach.rule.severity is not Severity.CRITICAL:
        worse = f"({critical})\nand (\n{condition}\n)"
        yield alert(name, breach, worse, lasting, Severity.CRITICAL, told)


def alert(
    name: str, breach: Breach, expr: str, lasting: Json, severity: Severity, told: Told
) -> Json:
    """One alerting rule."""
    signal, rule = breach.now.signal, breach.rule
    link = f"{told.plimsoll_url}/regressions?signal={signal.name}&rule={name}"
    missing = left_out(rule)
    annotations = {
        "summary": f"{signal.title}: {{{{ $value | humanize }}}}{where(signal)}",
        "description": told.sentences[name],
        "left_out": ", ".join(missing),
        "regression_url": link,
    }
    if told.grafana_url:
        chosen = f"plimsoll-overview?var-signal={signal.name}"
        annotations["dashboard_url"] = f"{told.grafana_url}/d/{chosen}{AROUND}"
    if rule.runbook:
        home = told.plimsoll_url if rule.runbook.startswith("/") else ""
        annotations["runbook_url"] = f"{home}{rule.runbook}"
    labels = {"kind": KIND, "rule": name, "severity": str(severity), "signal": signal.name}
    return {"alert": name, "expr": expr, **lasting, "labels": labels, "annotations": annotations}


def where(signal: Signal) -> str:
    """The series of an alert, by its labels."""
    names = [one for one in signal.form.by if one not in ("signal", "rule", "severity", "kind")]
    constants = dict(signal.form.constants)
    shown = [one for one in names if one not in constants]
    return "".join(f" {one}={{{{ $labels.{one} }}}}" for one in shown)
