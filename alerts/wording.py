"""An incident in words: what, how much, since when, against what, after which deployment. Pure.

Shared by every layout and by the pages, so that they cannot say different things. A deployment is
named as correlated, never as the cause.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from alerts.mrkdwn import clean, cut, escape
from alerts.visitors import page_views
from detector import units
from detector.finding import Check, Correlation, OriginReason, OriginVerdict, proven
from detector.naming import Grouped, Named, One
from detector.regression import Deployment, Incident, Phase, Regression
from detector.tags import all_told
from storage.series import Labels

HEADER_LIMIT = 150
TEXT_LIMIT = 3000  # Slack takes 40,000 but advises to stay below 4,000

# Where a person looks first; of a series without these all labels are shown.
OWNERS = ("service", "target", "job")
PLACES = (
    *("route", "route_group", "path", "page", "handler", "endpoint", "operation"),
    *("query", "database", "cache"),
)


SAID_OVER = {
    Phase.RESOLVED: "resolved",
    Phase.ACCEPTED: "accepted",
    Phase.FALSE_POSITIVE: "false positive",
    Phase.MUTED: "muted",
    Phase.TRANSIENT: "withdrawn",
}


DECIDED = {
    Phase.ACKNOWLEDGED: "Acknowledged by {}",
    Phase.MUTED: "Muted by {}",
    Phase.ACCEPTED: "Accepted as the new normal by {}",
    Phase.FALSE_POSITIVE: "Marked as a false positive by {}",
    Phase.RESOLVED: "Resolved by {}",
}


def decision(incident: Incident) -> str:
    """What a person decided about all that counts: what holds, or all of it when it is over."""
    counts = [one for one in incident.regressions if one.phase.holds] or incident.regressions
    phases = {one.phase for one in counts}
    names = sorted({one.by for one in counts if one.by})
    if len(phases) != 1 or not names or not all(one.by for one in counts):
        return ""
    (phase,) = phases
    told = DECIDED.get(phase, "").format(cut(", ".join(names), 100))
    until = {one.muted_until_ms for one in counts}
    if phase is Phase.MUTED:
        (last,) = until if len(until) == 1 else (None,)
        told += f" until {moment(last)}" if last is not None else " until it is resolved"
    return told


def sentence(incident: Incident, public_url: str) -> str:
    """The whole news in one sentence: what, how much, since when, after which deployment."""
    first, *others = in_order(incident)
    title = cut(escape(first.title or first.signal), 100)
    place = f" on {cut(escape(where(first.labels)), 300)}" if where(first.labels) else ""
    owner = next((first.labels.get(name) for name in OWNERS if first.labels.get(name)), "")
    known = not owner or owner in where(first.labels).split()
    of = "" if known else f" of {cut(escape(owner), 100)}"
    began = escape(since(first))
    if incident.phase is Phase.RESOLVED:
        told = f"{title}{place}{of} {how_it_ended(incident, first)}, since {began}"
    else:
        told = f"{title}{place}{of} is {units.text(first.value, first.unit)}, {against(first)}"
        told += f", since {began}"
    if others:
        told += f", with {len(others)} more regression{'s' if len(others) > 1 else ''}"
        if incident.finding.storm:
            told += " of many services at once"
        elif named(incident) is not None:
            told += " after it"
    if incident.deployment is not None:
        told += f", {cut(escape(correlated(incident)), 300)}"
    seen = page_views(first.evidence.get("visits") or {}, first.unit)
    if seen and incident.phase is not Phase.RESOLVED:
        told += "".join(f". {cut(escape(one), 300)}" for one in seen[:2])
    if tags := tagged(first):
        told += f". {cut(escape(tags), 400).removesuffix('.')}"
    address = escape(page(first, public_url))
    text = f"{state_word(incident)}: {told}."
    return f"{cut(text, TEXT_LIMIT - len(address) - 1)} {address}"


def tagged(regression: Regression) -> str:
    """What else may explain it, with its numbers; empty for nothing."""
    return " ".join(all_told(regression))


def plain_head(incident: Grouped[Named], first: Named, others: int) -> str:
    """`API p95 +42 % on GET /cart`, and how many more."""
    size = first.change or f"at {units.text(first.worst, first.unit)}"
    more = f" and {others} more" if others else ""
    before = f"{state_word(incident)}: " if incident.phase is not Phase.OPEN else ""
    title = cut(escape(first.title or first.signal), 60)
    place = where(first.labels)
    room = HEADER_LIMIT - len(before) - len(title) - len(size) - len(more) - len("  on ")
    on = f" on {cut(escape(place), max(10, room))}" if place else ""
    return cut(f"{before}{title} {size}{on}{more}", HEADER_LIMIT)


def how_it_ended(incident: Incident, first: Regression) -> str:
    """`is back at 540 ms ...`, or what a person said about it."""
    size = first.change or units.text(first.worst, first.unit)
    now = units.text(first.value, first.unit)
    match first.phase:
        case Phase.ACCEPTED:
            return f"is {now}, {against(first)}, accepted as the new normal"
        case Phase.TRANSIENT if first.incident_id:
            return f"went away by itself after {lasted(incident)} ({size} at its worst), now {now}"
        case Phase.TRANSIENT:
            return f"was suspected ({size} at its worst) and went away, now {now}"
        case Phase.FALSE_POSITIVE:
            return f"was {size} at its worst, marked as a false positive"
        case _:
            return f"is back at {now} (was {size} at its worst) after {lasted(incident)}"


def page(regression: Regression, public_url: str) -> str:
    """Where the regression is shown with its chart and evidence."""
    return f"{public_url}/regressions/{quote(clean(regression.id)[:100], safe='')}"


def panel(regression: Regression, template: str) -> str:
    """The address of a Grafana panel that shows the regression; empty where none is configured.

    `{signal}`, `{service}`, `{route}`, `{from}` and `{to}` of the template are filled in; the time
    is an hour before the change began until an hour after the newest value, in milliseconds.
    """
    around_ms = 3_600_000
    parts = {
        "{signal}": regression.signal,
        "{service}": regression.labels.get("service"),
        "{route}": regression.labels.get("route"),
        "{from}": str(regression.began_lo_ms - around_ms),
        "{to}": str(max(regression.updated_ms, regression.began_hi_ms) + around_ms),
    }
    for name, value in parts.items():
        template = template.replace(name, quote(clean(value)[:200], safe=""))
    return template


def incident_page(incident_id: str, public_url: str) -> str:
    """Where an incident is shown with its regressions and its origin."""
    return f"{public_url}/incidents/{quote(clean(incident_id)[:100], safe='')}"


def runbook(regression: Regression, public_url: str) -> str:
    """Where its runbook is: what begins with `/` is a page of Plimsoll's own; empty for none."""
    text = regression.runbook
    return f"{public_url}{text}" if text.startswith("/") and public_url else text


def against(regression: Regression) -> str:
    """`+42 % against 571 ms`, or against the limit."""
    if regression.baseline is None:
        return f"against the limit of {units.text(regression.threshold, regression.unit)}"
    baseline = units.text(regression.baseline, regression.unit)
    now = units.change(regression.value, regression.baseline)
    if not now:
        return f"normally {baseline}"
    worst = f" (at its worst {regression.change})" if regression.change != now else ""
    return f"{now} against its baseline of {baseline}{worst}"


def correlated(incident: Incident) -> str:
    """The deployment whose time fits; correlation is all that is claimed."""
    if incident.deployment is None:
        return ""
    return fitting(incident.deployment, incident.opened_ms, correlation(incident))


def fitting(deployment: Deployment, opened_ms: int, probable: Correlation | None) -> str:
    """The same of an incident that was found then, with what the comparisons say if they passed."""
    found, live = moment(opened_ms), moment(deployment.at_ms)
    at = live[11:] if found[:10] == live[:10] else live
    told = f"correlated with {deployment.service} {deployment.version}, deployed {at}"
    return f"{told} (probable: {compared(probable)})" if probable else told


def correlation(incident: Incident) -> Correlation | None:
    """The named deployment's correlation where both comparisons passed; None where not."""
    named = incident.deployment.id if incident.deployment else ""
    return proven(incident.finding.correlations, named)


def compared(one: Correlation) -> str:
    """What the two comparisons of a correlation say."""
    slots, peers = one.slots, one.peers
    days = f"{slots.days} day{'' if slots.days == 1 else 's'}"
    elsewhere = f"{peers.moved} of {peers.count} peers moved"
    match slots.check:
        case Check.PASSED:
            told = f"unlike the same time of {days} before"
        case Check.FAILED:
            told = f"like the same time of {days} before"
        case _:
            told = "not yet compared with the same time of the days before"
    return f"{told}, {elsewhere}" if peers.count else f"{told}, no peers to compare with"


def named(incident: Grouped[One]) -> One | None:
    """The regression where an incident of several probably began; None where nobody can say."""
    began = incident.finding.origin
    if began.verdict is not OriginVerdict.PROBABLE:
        return None
    return next((one for one in incident.regressions if one.id == began.regression_id), None)


REASONS = {
    OriginReason.EARLIEST: "it changed first",
    OriginReason.DEEPEST: "the others rest on it",
    OriginReason.DEPLOYMENT_FITS: "a deployment of its service fits",
}


def origin(incident: Grouped[Named]) -> str:
    """`Cache hit rate on products: it changed first`, or that it was not told apart."""
    first = named(incident)
    if first is None:
        if incident.finding.origin.verdict is OriginVerdict.ONLY_ONE:
            return "one thing by several measures"
        storm = ": many services at once" if incident.finding.storm else ""
        return f"not told apart{storm}"
    place = f" on {where(first.labels)}" if where(first.labels) else ""
    reasons = ", ".join(REASONS[one] for one in incident.finding.origin.reasons)
    return f"{first.title or first.signal}{place}: {reasons}"


def since(regression: Regression) -> str:
    """When the change set in, as a span where it is not known to the minute."""
    low, high = moment(regression.began_lo_ms), moment(regression.began_hi_ms)
    if low == high:
        return low
    if low[:10] == high[:10]:
        return f"{low.removesuffix(' UTC')}-{high[11:]}"
    return f"{low.removesuffix(' UTC')} - {high}"


def lasted(incident: Incident) -> str:
    """How long the incident lasted, from where it began to where it was resolved."""
    began = min((r.began_lo_ms for r in incident.regressions), default=incident.opened_ms)
    ended = incident.resolved_ms
    if ended is None:
        ended = max((r.resolved_ms or r.updated_ms for r in incident.regressions), default=began)
    return units.duration(max(0, ended - began) / 1000)


def moment(at_ms: int) -> str:
    """`2026-03-02 12:01 UTC`."""
    return minute(at_ms // 60_000)


@lru_cache(maxsize=4096)
def minute(number: int) -> str:
    """A minute since the epoch; a page of history names hundreds, and most of them again."""
    return datetime.fromtimestamp(number * 60, UTC).strftime("%Y-%m-%d %H:%M UTC")


def where(labels: Labels) -> str:
    """`GET /cart`: the place a person would look at; of other series all label values."""
    place = next((labels.get(name) for name in PLACES if labels.get(name)), "")
    if place:
        # A page is judged by device: without it two of them would read the same.
        device = f" ({labels.get('device')})" if labels.get("device") else ""
        return f"{labels.get('method')} {place}{device}".strip()
    plain_labels = labels.without("__name__", "service", "job")
    return " ".join(value for _, value in plain_labels) or labels.get("service")


def state_word(incident: Grouped[Named]) -> str:
    """The severity as a word, since colour alone says nothing to some; or that it is over."""
    if incident.phase is Phase.RESOLVED:
        phases = {one.phase for one in incident.regressions}
        only = phases.pop() if len(phases) == 1 else Phase.RESOLVED
        if only is Phase.TRANSIENT and any(one.incident_id for one in incident.regressions):
            return "Went away"
        return SAID_OVER.get(only, "resolved").capitalize()
    severity = incident.severity.value.capitalize()
    if incident.phase is Phase.SUSPECTED:
        return f"{severity}, suspected"
    return f"{severity}, muted" if incident.is_muted else severity


def in_order(incident: Grouped[One]) -> list[One]:
    """The probable origin first as long as it lasts, then the worst first."""
    rows, first = by_weight(incident.regressions), named(incident)
    if first is None or first.phase.is_over is not rows[0].phase.is_over:
        return rows
    return [first, *(one for one in rows if one.id != first.id)]


def by_weight(regressions: Iterable[One]) -> list[One]:
    """The worst first: open before resolved, then severity, then the size of the change."""

    def weight(regression: Named) -> tuple[bool, int, float, str]:
        base = regression.baseline or regression.threshold
        ratio = abs(regression.worst / base - 1) if base else 0.0
        over = regression.phase.is_over
        size = -ratio if ratio == ratio else 0.0
        return over, -regression.severity.rank, size, regression.id

    return sorted(regressions, key=weight)
