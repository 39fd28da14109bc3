"""What the API answers, as types. Written from its OpenAPI document; do not edit by hand.

Times are text in RFC 3339, UTC; values are in base units. A Plimsoll that is newer may answer with
more members than stand here.
"""

from typing import Any, TypedDict


class Correlated(TypedDict):
    """A deployment whose time fits a regression. Correlation is all that is claimed."""

    id: str
    """Stable: made from service, version and time."""
    service: str
    """What was deployed."""
    version: str
    """Which version of it."""
    at: str
    """When it went live."""
    sha: str
    """The commit; empty when not told."""
    environment: str
    """Where to, such as production; empty when not told."""
    url: str
    """A page that tells more; empty when not told."""
    text: str
    """`correlated with shop 2.7.1, deployed 12:01 UTC`."""


class Links(TypedDict):
    """Where to go from a regression."""

    self: str
    """This regression, as JSON."""
    page: str
    """Its web page."""
    signal: str
    """Its signal, as JSON."""
    runbook: str
    """What to do, as the rule says; empty when it says nothing."""


class Regression(TypedDict):
    """One rule on one series, from the tick it opened to the tick it was resolved."""

    id: str
    """Stable id."""
    incident_id: str
    """The incident it belongs to; empty for a suspicion or an improvement."""
    kind: str
    """`regression`, or `improvement`: better by as much, told to nobody."""
    version: int
    """How often it was open: within a week the same comes back under the same id."""
    state: str
    """Where it is in its life."""
    is_open: bool
    """Whether it is confirmed and not over, acknowledged and muted ones too."""
    is_silent: bool
    """Whether no data have come for a while; silence does not resolve it."""
    severity: str
    """How bad it got."""
    rule: str
    """The rule that holds."""
    signal: str
    """The signal it is on."""
    title: str
    """How a person calls the signal."""
    heading: str
    """`API p95 +42 % on GET /cart of shop`."""
    summary: str
    """One sentence: what, how much, since when, after which deployment."""
    unit: str
    """Base unit of all values."""
    labels: dict[str, str]
    """The labels of the series."""
    target: str
    """The target the series comes from; empty for none."""
    worse: str
    value: float | None
    """The newest judged value."""
    value_text: str
    """The same for people."""
    worst: float | None
    """The worst value so far."""
    worst_text: str
    """The same for people."""
    threshold: float | None
    """The level it broke."""
    threshold_text: str
    """The same for people."""
    baseline: float | None
    """The 7-day average it opened with, frozen; null for absolute rules."""
    baseline_name: str
    """What the baseline is: `7-day average`; of a change `usual at this hour`."""
    baseline_text: str
    """The same for people; `-` for none."""
    change: str
    """`+42 %` against the baseline, at its worst; empty for absolute rules."""
    began_from: str
    """The change set in after this ..."""
    began_until: str
    """... and before this."""
    opened_at: str
    """When it was found."""
    updated_at: str
    """When it was last judged."""
    resolved_at: str | None
    """When it was over; null while it is open."""
    duration_text: str
    """How long it lasted or lasts, for people."""
    muted_until: str | None
    """When its mute ends; null where it is not muted, or until it is resolved."""
    by: str
    """The last person who decided something about it; empty for none."""
    tags: list[str]
    """What else may explain it: `cost_shift`, `load_driven`."""
    deployment: Correlated | None
    """The deployment its time fits, if any."""
    page_views: list[str]
    """Of a web vital what the page views behind it say, in words: the release that is worse, the
    element that grew, the visitors; empty where nothing is known. Its numbers are in `evidence`."""
    links: Links
    """Where to go from here."""


class TransitionShape(TypedDict):
    """One step in the life of a regression."""

    at: str
    """When."""
    actor: str
    """Who took it."""
    step: str
    """What happened."""
    before: str
    """The state before; empty at the beginning."""
    after: str
    """The state after; the same where only something was noted."""
    reason: str
    """Why."""
    evidence: dict[str, Any]
    """The numbers it rests on."""


class IncidentShape(TypedDict):
    """Regressions that belong together."""

    id: str
    """Stable id."""
    state: str
    """`open` while any of its regressions is."""
    severity: str
    """That of the worst."""
    labels: dict[str, str]
    """What its regressions share."""
    opened_at: str
    """When the first was found."""
    resolved_at: str | None
    """When the last was over."""
    siblings: list[Regression]
    """Its other regressions, oldest first."""


class WholeRegression(TypedDict):
    """A regression with all that is known of it."""

    id: str
    """Stable id."""
    incident_id: str
    """The incident it belongs to; empty for a suspicion or an improvement."""
    kind: str
    """`regression`, or `improvement`: better by as much, told to nobody."""
    version: int
    """How often it was open: within a week the same comes back under the same id."""
    state: str
    """Where it is in its life."""
    is_open: bool
    """Whether it is confirmed and not over, acknowledged and muted ones too."""
    is_silent: bool
    """Whether no data have come for a while; silence does not resolve it."""
    severity: str
    """How bad it got."""
    rule: str
    """The rule that holds."""
    signal: str
    """The signal it is on."""
    title: str
    """How a person calls the signal."""
    heading: str
    """`API p95 +42 % on GET /cart of shop`."""
    summary: str
    """One sentence: what, how much, since when, after which deployment."""
    unit: str
    """Base unit of all values."""
    labels: dict[str, str]
    """The labels of the series."""
    target: str
    """The target the series comes from; empty for none."""
    worse: str
    value: float | None
    """The newest judged value."""
    value_text: str
    """The same for people."""
    worst: float | None
    """The worst value so far."""
    worst_text: str
    """The same for people."""
    threshold: float | None
    """The level it broke."""
    threshold_text: str
    """The same for people."""
    baseline: float | None
    """The 7-day average it opened with, frozen; null for absolute rules."""
    baseline_name: str
    """What the baseline is: `7-day average`; of a change `usual at this hour`."""
    baseline_text: str
    """The same for people; `-` for none."""
    change: str
    """`+42 %` against the baseline, at its worst; empty for absolute rules."""
    began_from: str
    """The change set in after this ..."""
    began_until: str
    """... and before this."""
    opened_at: str
    """When it was found."""
    updated_at: str
    """When it was last judged."""
    resolved_at: str | None
    """When it was over; null while it is open."""
    duration_text: str
    """How long it lasted or lasts, for people."""
    muted_until: str | None
    """When its mute ends; null where it is not muted, or until it is resolved."""
    by: str
    """The last person who decided something about it; empty for none."""
    tags: list[str]
    """What else may explain it: `cost_shift`, `load_driven`."""
    deployment: Correlated | None
    """The deployment its time fits, if any."""
    page_views: list[str]
    """Of a web vital what the page views behind it say, in words: the release that is worse, the
    element that grew, the visitors; empty where nothing is known. Its numbers are in `evidence`."""
    links: Links
    """Where to go from here."""
    why: str
    """Why it fired, in words."""
    evidence: dict[str, Any]
    """The numbers it fired on."""
    suggestion: str
    """What a person may want to do about it, such as accepting it after two weeks; or empty."""
    actions: list[str]
    """What can be done with it now."""
    transitions: list[TransitionShape]
    """Its life, oldest first."""
    incident: IncidentShape | None
    """What it belongs to."""


class OriginShape(TypedDict):
    """Where an incident probably began."""

    verdict: str
    """`probable`, `not_told_apart`, or `only_one` when there is nothing to tell apart."""
    regression_id: str
    """The regression; empty when it is not told apart."""
    reasons: list[str]
    """What speaks for it: `earliest`, `deepest`, `deployment_fits`."""
    among: list[str]
    """The regressions that could not be told apart."""
    text: str
    """The same in words."""


class IncidentLinks(TypedDict):
    """Where to go from an incident."""

    self: str
    """This incident, as JSON."""
    page: str
    """Its web page."""


class Incident(TypedDict):
    """Regressions that belong together."""

    id: str
    """Stable id."""
    state: str
    """`open` while any of its regressions is."""
    severity: str
    """That of the worst."""
    heading: str
    """`Cache hit rate -17 % on products and 3 more`."""
    labels: dict[str, str]
    """What its regressions share."""
    opened_at: str
    """When the first was found."""
    resolved_at: str | None
    """When the last was over; null while it is open."""
    regressions: int
    """How many there are."""
    merged_into: str
    """The incident that its regressions are part of now; empty for none."""
    storm: bool
    """Whether so many services are in it that no origin is named."""
    origin: OriginShape
    """Where it probably began."""
    links: IncidentLinks
    """Where to go from here."""


class SlotsShape(TypedDict):
    """The change since a deployment, beside the changes at the same time of the days before."""

    check: str
    """`passed` when it is unlike them, `failed` when it is like them, `unknown` when too little is
    known."""
    change: float | None
    """Median after over median before; 1.42 is 42 % up."""
    usual: float | None
    """The median of the same ratio on the days before."""
    spread: float | None
    """Robust standard deviation of the logarithm of the ratio on those days."""
    days: int
    """On how many days it rests."""


class PeersShape(TypedDict):
    """The same signal of services that are not part of the incident."""

    check: str
    """`passed` when they stayed where they were, `failed` when they moved as well."""
    count: int
    """How many series there were."""
    moved: int
    """How many moved at least half as much, the same way."""


class CorrelationShape(TypedDict):
    """A deployment whose time fits. Correlation is all that is claimed."""

    deployment_id: str
    """The deployment."""
    service: str
    """What was deployed."""
    version: str
    """Which version of it."""
    at: str
    """When it went live."""
    url: str
    """A page that tells more; empty when not told."""
    regression_id: str
    """The regression it stands closest to; the comparisons are made on it."""
    match: str
    """How close: `same_service`, `dependency` or `other_service`."""
    score: float
    """0 to 1: how near in time, how close in service."""
    probable: bool
    """Whether both comparisons passed."""
    same_time: SlotsShape
    """The days before."""
    peers: PeersShape
    """The services beside it."""
    text: str
    """What the comparisons say, in words."""


class IncidentStepShape(TypedDict):
    """One step in the life of an incident."""

    at: str
    """When."""
    actor: str
    """Who took it."""
    step: str
    """What happened."""
    reason: str
    """Why, in a word."""
    text: str
    """The same as a sentence."""
    evidence: dict[str, Any]
    """What it rests on."""


class WholeIncident(TypedDict):
    """An incident with all that is known of it."""

    id: str
    """Stable id."""
    state: str
    """`open` while any of its regressions is."""
    severity: str
    """That of the worst."""
    heading: str
    """`Cache hit rate -17 % on products and 3 more`."""
    labels: dict[str, str]
    """What its regressions share."""
    opened_at: str
    """When the first was found."""
    resolved_at: str | None
    """When the last was over; null while it is open."""
    regressions: int
    """How many there are."""
    merged_into: str
    """The incident that its regressions are part of now; empty for none."""
    storm: bool
    """Whether so many services are in it that no origin is named."""
    origin: OriginShape
    """Where it probably began."""
    links: IncidentLinks
    """Where to go from here."""
    items: list[Regression]
    """Its regressions in the order in which they changed."""
    correlations: list[CorrelationShape]
    """The deployments whose time fits, the closest first."""
    steps: list[IncidentStepShape]
    """Its life, oldest first."""


class VariantShape(TypedDict):
    """One way to read a signal."""

    source: str
    """Whose series these are: the name of an exporter; empty for the signal's own."""
    reads: list[str]
    """The series."""
    labels: dict[str, str]
    """Their names of our labels, where they differ."""
    constants: dict[str, str]
    """Labels that they lack, with the value they are given."""
    scale: float
    """What their numbers are multiplied by."""


class FindingShape(TypedDict):
    """What keeps a signal, or a part of it, unknown."""

    reason: str
    """The kind of it."""
    source: str
    """The variant it is about; empty for the signal's own."""
    text: str
    """What is there and what is not."""
    hint: str
    """What may be meant; empty where nobody can guess."""


class Rule(TypedDict):
    """What counts as a regression of a signal."""

    id: str
    """The rule's name."""
    signal: str
    """The signal it judges."""
    kind: str
    """How it judges; `all` and `any` for a tree of triggers."""
    trigger: str
    """What must be breached and for how long, in words."""
    gates: list[str]
    """What must hold beside it, in words; empty with `gates: off`."""
    clear: str
    """When it is over, in words."""
    severity: str
    """How bad a breach is."""
    enabled: bool
    """Whether it is judged."""
    runbook: str
    """What to do; empty when it says nothing."""
    definition: dict[str, Any]
    """The rule as it stands in the configuration, defaults filled in."""


class BaselineShape(TypedDict):
    """What was normal in the last seven days."""

    mean: float | None
    """The average; null without data."""
    mean_text: str
    """The same for people."""
    deviation: float | None
    """The standard deviation."""
    days: int
    """How many of the seven days have data."""
    days_needed: int
    """How many relative rules ask for."""
    upper: float | None
    """Average and two deviations; null until enough days have data."""
    lower: float | None
    """Average less two deviations, not below zero."""


class OpenShape(TypedDict):
    """An open regression of a series."""

    id: str
    """The regression."""
    rule: str
    """The rule that holds."""
    severity: str
    """How bad."""


class SeriesShape(TypedDict):
    """One series of a signal as it stands."""

    id: str
    """Stable inside its signal: a hash of the labels."""
    labels: dict[str, str]
    """What tells it apart."""
    name: str
    """The labels as a person says them: `GET /cart of shop`."""
    value: float | None
    """The newest value; null while it is silent."""
    value_text: str
    """The same for people."""
    n: float | None
    """How many observations are behind it."""
    end: str | None
    """When its span ended."""
    change: str
    """`+4 %` against the 7-day average; empty for less than 1 %, or while days are missing."""
    baseline: BaselineShape
    """What is normal."""
    state: str
    """`regressed` while any regression is open on it."""
    open: list[OpenShape]
    """The open regressions on it."""


class BackfillShape(TypedDict):
    """How far the past of a signal has been evaluated since the start."""

    source: str
    """Where the past is read: samples (those the history keeps) or prometheus."""
    done: float
    """The share that is evaluated, 0 to 1."""


class Signal(TypedDict):
    """A signal, its rules, and how its series stand."""

    name: str
    """Its name."""
    title: str
    """How a person calls it."""
    description: str
    """What it tells."""
    form: str
    """How it is computed: quantile, mean, share, ratio, rate, gauge or promql."""
    unit: str
    """Base unit of its values."""
    kind: str
    """Where it is shown: api, database, cache, resource or other."""
    worse: str
    window_seconds: float
    """Length of a stored window."""
    over_seconds: float
    """Span that a reading covers."""
    reads: list[str]
    """The series it is computed from: those of its own definition; the PromQL of form `promql`."""
    variants: list[VariantShape]
    """All ways to read it, its own first: of each target the first that it shows counts."""
    unknown: list[FindingShape]
    """Why it has no windows, or fewer than it should; empty where all is well."""
    rules: list[Rule]
    """The rules on it."""
    series: list[SeriesShape]
    """Its series: those with open regressions first, then the busiest."""
    backfill: BackfillShape | None
    """How far its past is evaluated; null when there was none to evaluate since the start."""


class Deployment(TypedDict):
    """A version of a service that went live."""

    id: str
    """Stable: made from service, version and time."""
    service: str
    """What was deployed."""
    version: str
    """Which version of it."""
    at: str
    """When it went live."""
    sha: str
    """The commit; empty when not told."""
    environment: str
    """Where to, such as production; empty when not told."""
    url: str
    """A page that tells more; empty when not told."""


class Judgement(TypedDict):
    """The verdict of one rule on one series at one tick, with its evidence."""

    at: str
    """The tick."""
    rule: str
    """The rule."""
    signal: str
    """The signal."""
    series: str
    """The id of the series inside the signal."""
    name: str
    """The series as a person says it."""
    labels: dict[str, str]
    """Its labels."""
    verdict: str
    """unknown, steady, rejected, suspected, regressed or improved."""
    reason: str
    """Why it is unknown, or which gate rejected it; empty otherwise."""
    text: str
    """The verdict and its reason in words."""
    value: float | None
    """The value judged."""
    n: float | None
    """Observations behind it."""
    threshold: float | None
    """The level that would be a breach."""
    baseline: float | None
    """The 7-day average; of a change what was usual at that hour."""
    deviation: float | None
    """Its standard deviation."""
    days: int
    """Days of seven with data."""
    breaches: int
    """How many of the judged windows were beyond the threshold ..."""
    of: int
    """... of how many."""


class PartShape(TypedDict):
    """One part of a target that is asked several things; one that fails leaves the target up."""

    name: str
    """What is asked, such as `info` or `slowlog`."""
    up: bool
    """Whether its last run worked."""
    reason: str | None
    """Why it failed."""
    text: str
    """How it went in words."""
    last_attempt: str
    """When its last run began."""
    last_success: str | None
    """When one last worked."""
    duration_seconds: float
    """How long the last one took."""
    samples: int
    """Samples that it brought."""


class Target(TypedDict):
    """One target and its last collection."""

    name: str
    """The target's name."""
    kind: str
    """The collector: host, scrape, postgres, redis, memcached or rum."""
    state: str
    """`pending` until the first collection, then `up` or `down`."""
    reason: str | None
    """Why it is down."""
    text: str
    """The state in words."""
    interval_seconds: float
    """How often it is collected."""
    last_attempt: str | None
    """When the last collection began."""
    last_success: str | None
    """When one last worked."""
    next_attempt: str | None
    """When the next one begins; later after failures."""
    duration_seconds: float | None
    """How long the last one took."""
    samples: int
    """Samples that it brought."""
    dropped: int
    """Samples that were left out for the limits."""
    parts: list[PartShape]
    """What it is asked, where that is several things; empty for a page of metrics."""


class Event(TypedDict):
    """One step in the life of a regression or an incident."""

    id: str
    """Stable id; `r` for regressions, `i` for incidents."""
    at: str
    """When."""
    about: str
    """Whose step it is: `regression` or `incident`."""
    regression_id: str
    """The regression; empty for a step of an incident as a whole."""
    incident_id: str
    """The incident it belongs to now; empty for a suspicion or an improvement."""
    signal: str
    """The signal of the regression; empty for an incident."""
    rule: str
    """The rule of the regression; empty for an incident."""
    actor: str
    """Who took it."""
    step: str
    """What happened."""
    before: str
    """The state of the regression before; empty at the beginning, and for an incident."""
    after: str
    """The state of the regression after; empty for an incident."""
    reason: str
    """Why."""
    evidence: dict[str, Any]
    """What it rests on."""


class OpenCounts(TypedDict):
    """What is open now."""

    total: int
    """Regressions, acknowledged and muted ones too."""
    critical: int
    """Critical ones."""
    warning: int
    """Warnings."""
    info: int
    """Those for information."""
    incidents: int
    """Open incidents that they belong to."""


class TargetCounts(TypedDict):
    """How the targets are doing."""

    up: int
    """Answered at the last collection."""
    down: int
    """Did not."""
    pending: int
    """Were not collected yet."""
    down_names: list[str]
    """The names of those that are down, at most 20."""


class RequestsShape(TypedDict):
    """Requests over all routes, in the newest judged span (5 minutes)."""

    per_second: float | None
    """Requests per second."""
    error_ratio: float | None
    """Share that ended in a server error."""
    mean_seconds: float | None
    """Mean time to answer, server errors left out."""
    p50_seconds: float | None
    """Median, from the added buckets of all routes."""
    p95_seconds: float | None
    """95 % were answered within this."""
    p99_seconds: float | None
    """99 % were answered within this."""
    observations: int | None
    """How many answers are behind the quantiles."""


class DatabaseShape(TypedDict):
    """Queries over all classes, in the newest judged span."""

    p50_seconds: float | None
    """Median of the time of a query, as applications measure it."""
    p95_seconds: float | None
    """95 % were answered within this."""
    p99_seconds: float | None
    """99 % were answered within this."""
    statement_mean_seconds: float | None
    """Mean time of a statement, by pg_stat_statements."""
    statements_per_second: float | None
    """Statements per second, by pg_stat_statements."""
    buffer_hit_ratio: float | None
    """Share of blocks that PostgreSQL found in its buffers."""
    connections_ratio: float | None
    """Connections in use as a share of the most that are allowed; of the fullest server."""


class CacheShape(TypedDict):
    """All caches together."""

    hit_ratio: float | None
    """Hits as a share of lookups; the same as `cache_hit_ratio`."""
    keys: int | None
    """Keys in Redis and Valkey, all databases, and items in memcached."""


class HighestShape(TypedDict):
    """The machine on which something is highest."""

    ratio: float
    """0 to 1."""
    target: str
    """The target it is of."""


class VitalOfApp(TypedDict):
    """One metric of one app, all routes and devices together, of the last 24 hours."""

    n: int
    """How many values were counted, never extrapolated."""
    certainty: str
    """How much that is worth."""
    p75: float | None
    """The 75th percentile, in the unit; null of fewer than 25 values."""
    p75_low: float | None
    """Lower edge of its 95 % band, by order statistics."""
    p75_high: float | None
    """Upper edge."""
    p75_text: str
    """The percentile for people."""
    good: float | None
    """Share of the values that are good; null of none."""
    needs_improvement: float | None
    """Share between good and poor."""
    poor: float | None
    """Share that is poor."""
    app: str
    """The app."""
    metric: str
    """The metric."""
    unit: str
    """Base unit of its values."""


class Summary(TypedDict):
    """The whole state. What is not measured is null, never zero."""

    version: str
    """The version of Plimsoll."""
    started_at: str
    """When this process began to answer."""
    uptime_seconds: float
    """How long ago that is."""
    judged_at: str | None
    """The newest tick; null before the first."""
    open: OpenCounts
    """Open regressions by severity; of all targets."""
    targets: TargetCounts
    """Targets that are collected from; all of them."""
    requests: RequestsShape
    """The API."""
    database: DatabaseShape
    """Databases."""
    cache_hit_ratio: float | None
    """Hits as a share of lookups, over all caches."""
    cache: CacheShape
    """Caches."""
    cpu: HighestShape | None
    """The busiest machine."""
    memory: HighestShape | None
    """The fullest machine."""
    web_vitals: list[VitalOfApp]
    """What browsers measured, by app and metric; empty where no app is configured."""


class OpenSpan(TypedDict):
    """A regression that was open at some time in the span."""

    id: str
    """The regression."""
    rule: str
    """Its rule."""
    severity: str
    """How bad."""
    since: str
    """When the change set in."""
    until: str | None
    """When it was over; null while it is open."""


class CurveShape(TypedDict):
    """One series over time, in columns of equal length. A gap has no entry."""

    id: str
    """The series."""
    labels: dict[str, str]
    """Its labels."""
    end_ms: list[int]
    """Ends of the windows, milliseconds since the epoch, oldest first."""
    value: list[float | None]
    """The values."""
    n: list[float | None]
    """How many observations are behind each."""
    baseline: float | None
    """The 7-day average as it is now; null until enough days have data."""
    upper: float | None
    """Average and two standard deviations."""
    lower: float | None
    """Average less two standard deviations, not below zero."""
    regressions: list[OpenSpan]
    """What was open on it in the span."""


class Windows(TypedDict):
    """The windows of a signal over a span of time."""

    signal: str
    """The signal."""
    unit: str
    """Base unit of the values."""
    since: str
    """Begin of the span."""
    until: str
    """End of the span."""
    window_seconds: float
    """Length of each window: the shortest that keeps to `points`."""
    series: list[CurveShape]
    """The series asked for."""
    deployments: list[Deployment]
    """What was deployed in the span."""
