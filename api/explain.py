"""A signal for people on the command line: definition, PromQL, rules, and its last windows.

What stands in the configuration is told without a server; the windows come over REST from a
Plimsoll that runs.
"""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from api import credentials
from api.config import ServerConfig
from api.credentials import CredentialsError
from api.moments import at
from api.routes.signals import CurveShape, WindowsShape
from api.shapes import API
from api.signal_shapes import FindingShape, RuleShape, SignalShape
from detector import units
from detector.form import AnySignal, Gauge, Mean, Ratio
from detector.promql import compile
from detector.run import Definitions
from detector.signal import Plain, Signal

SERIES_SHOWN = 10
WINDOWS_SHOWN = 5
ANSWER_SECONDS = 10.0
UNSAID = [("labels", {}), ("constants", {}), ("scale", 1.0), ("of", None), ("count", None)]
UNSAID += [("complement", False), ("derive", {}), ("pool", None)]
NOT_A_KEY = {"form", "title", "description", "variants"}


def explained(
    definitions: Definitions, signal: Signal, server: ServerConfig, url: str | None = None
) -> Iterator[str]:
    """All of it; a Plimsoll may run at `url`, else where the configuration says."""
    yield from defined(signal)
    yield ""
    yield from judged(definitions, signal)
    yield ""
    try:
        client = httpx.Client(
            base_url=url or server.url,
            timeout=ANSWER_SECONDS,
            headers=credentials.headers(),
            verify=credentials.trusted(server, url),
        )
    except CredentialsError as error:
        yield f"windows: {error}"
        return
    except httpx.InvalidURL as error:
        yield f"windows: {url!r} is not an address: {error}"
        return
    with client:
        yield from windows(client, signal)


def listed(definitions: Definitions) -> Iterator[str]:
    """A line for each signal: name, form, title, and how many rules judge it."""
    wide = max(map(len, definitions.signals), default=0)
    for name, one in definitions.signals.items():
        count = len(definitions.rules_of(name))
        judged = f"{count} rule{'' if count == 1 else 's'}" if count else "shown, not judged"
        yield f"{name:<{wide}}  {one.form.form:<8}  {one.title} ({judged})"


def defined(signal: Signal) -> Iterator[str]:
    """What it is, as it stands in the configuration with defaults filled in, and as PromQL."""
    yield f"{signal.name}: {signal.title}"
    if signal.form.description:
        yield signal.form.description
    yield ""
    yield f"form: {signal.form.form}"
    for key, value in signal.form.model_dump(mode="json").items():
        if key not in NOT_A_KEY and (key, value) not in UNSAID:
            yield f"  {key}: {plainly(value)}"
    yield ""
    if len(signal.plain) > 1:
        yield "read as, of each target the first that it shows:"
        for one in signal.plain:
            yield from (f"  {line}" for line in variant(one))
        yield ""
    yield "PromQL:"
    yield from (f"  {line}" for line in compile(signal).splitlines())


def plainly(value: object) -> str:
    """A value of a key on one line."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{our} from {source(their)}" for our, their in value.items())
    return str(value)


def source(theirs: object) -> str:
    """Where a label is from: one of theirs, or made of one by a pattern."""
    return "{label} by {pattern}".format(**theirs) if isinstance(theirs, dict) else str(theirs)


def variant(plain: Plain) -> Iterator[str]:
    """One way to read a signal: whose series, which, and how they become ours."""
    yield plain.source or ("its own series" if plain.rank == 0 else "another of its own")
    yield from (f"  {line}" for line in formula(plain.signal.form))
    told = [f"{our} is their {their}" for our, their in plain.renames]
    told += [f"{our} is always {constant}" for our, constant in plain.constants]
    told += [f"times {plain.scale:g}"] if plain.scale != 1 else []
    if told:
        yield f"  {', '.join(told)}"


def formula(form: AnySignal) -> Iterator[str]:
    """What is read, and what is divided by what."""
    match form:
        case Ratio():
            yield " + ".join(map(str, form.numerator))
            yield "/ " + " + ".join(map(str, form.denominator))
        case Gauge(of=None):
            yield f"{'1 - ' if form.complement else ''}{form.metric}"
        case Gauge():
            yield f"{'1 - ' if form.complement else ''}{form.metric}"
            yield f"/ {form.of}"
        case Mean():
            total, count = form.selectors()
            yield str(total)
            yield f"/ {count}"
        case _:
            yield from map(str, form.selectors())


def judged(definitions: Definitions, signal: Signal) -> Iterator[str]:
    """The rules on it, in words."""
    rules = definitions.rules_of(signal.name)
    yield "rules:" if rules else "rules: none, it is shown and not judged"
    for name, rule in rules.items():
        told = RuleShape.of(name, rule, signal)
        yield f"  {name} ({told.severity}): {told.trigger}"
        yield from (f"    {gate}" for gate in told.gates)
        yield f"    over when {told.clear}"


def windows(client: httpx.Client, signal: Signal) -> Iterator[str]:
    """The last windows of its busiest series; or plainly why there are none to show.

    `client` knows the address. An answer that is none of ours is told, never guessed at.
    """
    address = str(client.base_url).rstrip("/")
    path = f"{API}/signals/{quote(signal.name)}"
    try:
        answer = client.get(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            yield f"windows: the Plimsoll at {address} does not know this signal"
            return
        answer.raise_for_status()
        known = SignalShape.model_validate_json(answer.content)
        yield from (line for one in known.unknown for line in unknown(one))
        ids = [one.id for one in known.series[:SERIES_SHOWN]]
        if not ids:
            yield f"windows: none yet; the Plimsoll at {address} has no series of this signal"
            return
        answer = client.get(f"{path}/windows", params={"series": ids})
        answer.raise_for_status()
        found = WindowsShape.model_validate_json(answer.content)
    except httpx.TransportError:
        yield f"windows: no Plimsoll runs at {address}, so there are none to show"
        return
    except (httpx.HTTPStatusError, ValidationError):
        yield f"windows: {address} answered {answer.status_code}, but not as this Plimsoll does"
        return
    yield f"windows of {units.duration(found.window_seconds)}, from {address}:"
    names = {one.id: one.name for one in known.series}
    for one in found.series:
        yield from (f"  {line}" for line in told(names.get(one.id, ""), one, found.unit))
    if len(known.series) > len(ids):
        yield f"  and {len(known.series) - len(ids)} more series"


def unknown(one: FindingShape) -> Iterator[str]:
    """Why there is nothing, or less than there should be."""
    whose = f" ({one.source})" if one.source else ""
    yield f"unknown, {one.reason}: {one.text}{whose}"
    if one.hint:
        yield f"  {one.hint}"


def told(name: str, curve: CurveShape, unit: units.Unit) -> Iterator[str]:
    """One series and its last windows, the newest last."""
    yield name or "all together"
    if not curve.end_ms:
        yield "  no window in the last hours"
    for end_ms, value, n in last(curve.end_ms, curve.value, curve.n):
        count = "-" if n is None else units.digits(n)
        yield f"  {at(end_ms):%Y-%m-%d %H:%M:%S}  {units.text(value, unit):>10}  n {count}"


def last(
    ends: Sequence[int], values: Sequence[float | None], counts: Sequence[float | None]
) -> list[tuple[int, float | None, float | None]]:
    """The last rows of three columns."""
    return list(zip(ends, values, counts, strict=True))[-WINDOWS_SHOWN:]
