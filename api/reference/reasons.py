"""The enumerated reasons in words; one that is not described here is an error."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import numpy as np

from alerts.alert import Outcome
from alerts.alert import Reason as Decision
from alerts.group import Notice
from alerts.heartbeat import Beat
from alerts.troubles import TroubleKind
from api.access.endings import IN_WORDS as SIGN_INS
from api.access.endings import Ending as SignIn
from api.access.token import Refusal
from api.checking import IN_WORDS as UNCHECKED
from api.checking import Unchecked
from api.covering import Cover
from api.errors import ProblemType
from api.feed import Ending
from api.hearers import IN_WORDS as RECEIVERS_IN_WORDS
from api.hearers import ReceiverState
from api.kept import Dropped as NotKept
from api.kept import Way
from api.reference.tables import code, table
from api.repeats import Repeat
from api.routes.configuration import Outcome as Checked
from api.routes.exports import Outcome as Exported
from api.routes.notifications import IN_WORDS as DECISIONS_IN_WORDS
from api.routes.replay import Outcome as Replayed
from api.routes.source import IN_WORDS as ANSWERS
from api.routes.source import STATES_IN_WORDS as SIGNAL_STATES
from api.routes.targets import IN_WORDS
from api.trial import NOISE_IN_WORDS
from collector.failure import Failure
from collector.rum.percentile import Comparison
from collector.rum.refusal import STATUS, Exclusion, Lost, Omission
from collector.rum.refusal import Refusal as BeaconRefusal
from collector.source import Drop
from detector.bounds import Levels, Limits
from detector.checks import Case
from detector.gates import ASKS, stages
from detector.judgement import Background, Judged, Reason, Verdict
from detector.noise import Noise
from detector.regression import Phase, Step
from detector.rule import Rule, Span
from detector.signal import LeftOut
from detector.track import SignalState
from detector.why import Result
from storage.matrix import Outcome as Answered

Member = TypeVar("Member", bound=StrEnum)

VERDICTS = {
    Verdict.UNKNOWN: "Too little is known to say. Never the same as steady.",
    Verdict.STEADY: "The newest window does not breach the trigger.",
    Verdict.REJECTED: "The newest window breaches the trigger, and a gate refused it.",
    Verdict.SUSPECTED: "Everything holds but time: it may still go away.",
    Verdict.REGRESSED: "Trigger, sustain and gates hold.",
    Verdict.IMPROVED: "The mirror of the trigger holds as long: it got better by as much.",
}
JUDGEMENTS = {
    Reason.NONE: "Steady or regressed: there is nothing to explain.",
    Reason.NO_DATA: "Unknown: the newest window has no value.",
    Reason.TOO_FEW_OBSERVATIONS: "Unknown: the newest window has fewer observations than "
    "`gates.min_count`.",
    Reason.SETTLING: "Unknown: within the time of `gates.settling` after a restart, flush or "
    "deployment.",
    Reason.TOO_LITTLE_HISTORY: "Unknown: there is not more than a day of data, or fewer "
    "observations than `gates.min_baseline_count` are behind the baseline, or the average is zero "
    "and the trigger is relative.",
    Reason.SUSTAIN: "Rejected: not enough of the judged windows breach yet.",
    Reason.MIN_DELTA: "Rejected: closer to the 7-day average than `gates.min_delta` and "
    "`gates.min_ratio`.",
    Reason.MIN_EVENTS: "Rejected: value times observations is less than `gates.min_events`.",
    Reason.MIN_PARTS: "Rejected: it holds one series alone together, which is judged itself "
    "(`gates.min_parts`).",
    Reason.EXPECTED: "Rejected: the trigger does not hold against what is usual at this hour.",
    Reason.BAND: "Rejected: so few observations differ as much from the same hours of the days "
    "before by chance (`gates.band`).",
    Reason.EFFECT: "Rejected: closer to what is usual at this hour than `gates.effect`, or unusual "
    "for the series, but less than is worth a notice after so short a time.",
    Reason.SIGNIFICANCE: "Rejected: the series did as much by itself in the last two weeks. "
    "Suspected: it nearly did.",
    Reason.MIX: "Rejected: less than `gates.mix` of the difference is left with the visitors made "
    "alike; others came, and nobody was served worse.",
    Reason.AWAITING_EVIDENCE: "Rejected: more candidates than one tick looks at; its turn comes in "
    "the next ticks.",
    Reason.WARMING: "Rejected: fewer than 5 of 7 days have data; see `gates.warming`.",
    Reason.WENT_AWAY: "Suspected: the last two hours have not kept `gates.went_away` of the step.",
}
PHASES = {
    Phase.SUSPECTED: "Everything holds but time. It may still go away; nobody is told.",
    Phase.OPEN: "Confirmed, and nobody has said anything about it.",
    Phase.ACKNOWLEDGED: "Somebody is at it.",
    Phase.ESCALATED: "It has got worse by a quarter, or by its severity; a change: changed again.",
    Phase.REOPENED: "It came back within 7 days after it was over, with the next version.",
    Phase.MUTED: "Judged and shown, and told to nobody: until a time, or until it is resolved.",
    Phase.RESOLVED: "Over: clear for long enough, or closed by hand.",
    Phase.ACCEPTED: "Over: it is the new normal, and the baseline begins anew where it set in.",
    Phase.TRANSIENT: "Over: it went away by itself, unconfirmed or within an hour. Learnt.",
    Phase.FALSE_POSITIVE: "Over: somebody said that it is none. Quiet while the breach lasts.",
}
STEPS = {
    Step.SUSPECTED: "Trigger, sustain and all gates but time held.",
    Step.OPENED: "The rule held, or a suspicion was confirmed.",
    Step.ESCALATED: "A quarter larger than recorded, or more severe; a change: changed again.",
    Step.RESOLVED: "Clear for long enough, or closed by hand.",
    Step.TRANSIENT: "It went away by itself, before it was confirmed or within an hour.",
    Step.REOPENED: "It came back within 7 days.",
    Step.WITHDRAWN: "Its rule is not in force any more.",
    Step.NO_DATA: "Nothing to judge for a quarter of an hour.",
    Step.DATA_BACK: "There are data again.",
    Step.ACKNOWLEDGED: "Somebody is at it.",
    Step.ACCEPTED: "Accepted as the new normal; of an improvement also by itself.",
    Step.MUTED: "Somebody muted it, or changed until when.",
    Step.UNMUTED: "The mute was ended, or its time is over.",
    Step.FALSE_POSITIVE: "Somebody said that it is none.",
    Step.COMMENTED: "Somebody noted something.",
}
LEFT_OUT = {
    LeftOut.METRIC_NOT_SEEN: "No target shows the metric, or the other half of a quotient.",
    LeftOut.NO_SERIES_MATCHES: "The metric is there, and no series of it meets the conditions.",
    LeftOut.BOUND_IS_NO_EDGE: "The bound of a share is no edge of the buckets.",
    LeftOut.BY_LABEL_MISSING: "No series has a label of `by`: what it should part is one.",
    LeftOut.MEMORY: "`detector.memory` is full: stored, and judged without a baseline.",
}
DROPS = {
    Drop.SAMPLES: "The page has more samples than `collector.limits.samples`.",
    Drop.SERIES: "The target has more series than `collector.limits.series`; known ones go on.",
    Drop.LABELS: "The series has more labels than `collector.limits.labels`.",
    Drop.LABEL_VALUE: "A name or a value is longer than `collector.limits.label_value_bytes`.",
    Drop.DUPLICATE: "The series stands twice on the page; the first line counts.",
    Drop.NATIVE_HISTOGRAM: "Native histograms are not read.",
}
NOTICES = {
    Notice.FIRST: "The first notice of the group.",
    Notice.NEW_ALERTS: "An alert fires that the last notice did not tell.",
    Notice.RESOLVED: "An alert is over that the last notice told as firing, or all of them are.",
    Notice.REPEAT: "Nothing is new, and `repeat_interval` is over.",
    Notice.NOTHING_NEW: "Nothing is new: no notice.",
    Notice.NOTHING_LEFT: "Everything in it is kept quiet: no notice.",
}
TROUBLES = {
    TroubleKind.COLLECTOR_DOWN: "A target has given nothing for `alerts.own.collector_down`.",
    TroubleKind.DETECTOR_LATE: "The next tick is late by `alerts.own.detector_late`.",
    TroubleKind.OUTBOX_STUCK: "A message has waited for `alerts.own.outbox_stuck`.",
    TroubleKind.RECEIVER_BROKEN: "A receiver has refused everything for "
    "`alerts.own.receiver_broken`.",
}
BEATS = {
    Beat.SENT: "It was taken.",
    Beat.WITHHELD: "The detector is late or a message is stuck, so it was not sent.",
    Beat.REFUSED: "The answer was no success.",
    Beat.UNREACHABLE: "No connection, or no answer in time.",
}
REFUSALS = {
    Refusal.MISSING: "No token was sent, and no cookie of a session.",
    Refusal.UNKNOWN: "What was sent is no token that is known here.",
    Refusal.EXPIRED: "The token or the session has expired.",
    Refusal.REVOKED: "The token was revoked.",
    Refusal.SCOPE: "The token lacks the scope that the request needs.",
    Refusal.CROSS_SITE: "A page of another site asked for a change with the cookie of a session.",
    Refusal.THROTTLED: "Too many tokens that are none came from one address: 20 at once, then 10 a "
    "minute. A valid one is let in all the same.",
    Refusal.TOO_MANY_REQUESTS: "The token asks more often than `server.requests_per_second`.",
}
OUTCOMES = {
    Outcome.SENT: "The receiver has it.",
    Outcome.FOUND: "A message of unknown fate was found in the channel.",
    Outcome.ABSENT: "A message of unknown fate is not in the channel; it is sent again.",
    Outcome.BLIND: "The channel cannot be looked into; it is sent again, marked as a possible "
    "repeat.",
    Outcome.RATE_LIMITED: "The receiver asked for patience; it is tried again when it said.",
    Outcome.UNREACHABLE: "No connection; nothing was written; tried again.",
    Outcome.SERVER_ERROR: "The webhook answered 5xx; tried again.",
    Outcome.REFUSED: "Refused for a reason that may pass; tried again.",
    Outcome.RECEIVER_BROKEN: "Token, channel or permission is wrong; tried every five minutes "
    "until somebody mends it.",
    Outcome.MESSAGE_REFUSED: "The layout was refused; the sentence alone is sent instead.",
    Outcome.GONE: "The message to edit is gone; a new one is posted.",
    Outcome.NOT_DRAWN: "There was nothing to draw, or it took too long; there is no chart.",
    Outcome.UNKNOWN: "The request was written and no clear answer came; looked for before it is "
    "sent again.",
}
PROBLEMS = {
    ProblemType.BAD_REQUEST: "The request cannot be read.",
    ProblemType.BAD_CURSOR: "The cursor was not handed out by this API.",
    ProblemType.BODY_TOO_LARGE: "The body is larger than 64 KiB.",
    ProblemType.CONFLICT: "What is asked for does not fit the state of the thing.",
    ProblemType.CONTENT_TYPE: "The body is not sent as `application/json`.",
    ProblemType.INTERNAL: "A fault of Plimsoll; its log says where.",
    ProblemType.INVALID: "A parameter or a member of the body does not fit; see `errors`.",
    ProblemType.METHOD_NOT_ALLOWED: "The path is right, the method is not.",
    ProblemType.NOT_FOUND: "There is no such thing.",
    ProblemType.NOT_READY: "`/readyz`: history, state or detector do not keep up; see `errors`.",
    ProblemType.OTHER: "Any other status.",
    ProblemType.FORBIDDEN: "The token lacks a scope, which the detail names; or a page of another "
    "site asked.",
    ProblemType.TOO_MANY_REQUESTS: "Asked too often; `Retry-After` says when to ask again.",
    ProblemType.UNAUTHORIZED: "A token is needed and none, or none that is valid, was sent.",
    ProblemType.WRONG_HOST: "The Host header names a host that this server is not.",
}
CHECKED = {
    Checked.OK: "It has no fault.",
    Checked.FAULTY: "It has faults.",
    Checked.BUSY: "409: another text was being checked.",
}
COVERS = {
    Cover.QUIET: "Nobody would be told: each of its open regressions is silenced, by this one or "
    "by one that is in force.",
    Cover.PARTLY: "It would be told all the same: some of its open regressions are not covered.",
}
RESULTS = {
    Result.PASSED: "It lets pass.",
    Result.REFUSED: "It refuses: the verdict is its own.",
    Result.ENDED: "Nothing is refused: there is no breach, or it got better.",
    Result.ABSTAINED: "Its stage has nothing to say of this series, and lets pass.",
    Result.NOT_ASKED: "The rule does not have it.",
    Result.NOT_REACHED: "A gate before it has ended the way.",
}
REPLAYED = {
    Replayed.DONE: "The report was sent.",
    Replayed.BUSY: "409: another one was running.",
    Replayed.TOO_LARGE: "422: it would have taken too long beside the ticks.",
    Replayed.LEFT: "Whoever asked went away before it was done.",
    Replayed.FAILED: "It failed inside; the log says how.",
}

EXPORTED = {
    Exported.DONE: "The whole file was sent.",
    Exported.BUSY: "409: another one was under way.",
    Exported.LEFT: "Whoever asked went away before it was done.",
    Exported.FAILED: "It could not be made or read on; the log says how.",
}
REPEATS = {
    Repeat.FIRST: "New: it is made.",
    Repeat.ANSWERED: "The same again: its answer is given again, with `Idempotency-Replayed`.",
    Repeat.IN_FLIGHT: "409: the same is still under way.",
    Repeat.OTHER: "422: the key was used for another request.",
    Repeat.NOT_KEPT: "409: it was made, and its answer, which held a secret or was no JSON, is not "
    "kept.",
}
ENDINGS = {
    Ending.LEFT: "The listener went away.",
    Ending.SLOW: "It did not take what was told: 500 events waited for it.",
    Ending.LONG: "It was open for 15 minutes; browsers come back by themselves.",
    Ending.SHUTDOWN: "Plimsoll stops.",
    Ending.FULL: "503: 100 listen already.",
}
WAYS = {
    Way.MADE: "It was made for who asked.",
    Way.JOINED: "Who asked waited for what was being made for somebody else.",
    Way.KEPT: "At once: it was made in the last second.",
    Way.LATE: "At once: it was made up to five seconds ago, and the next one is being made.",
}
NOT_KEPT = {
    NotKept.WRITTEN: "The state was written, or may have been, since it was begun.",
    NotKept.OLD: "It was made more than five seconds ago.",
    NotKept.FULL: "256 answers or 8 MiB are kept; the oldest goes.",
    NotKept.LARGE: "It has more than 1 MiB.",
    NotKept.STATUS: "It is no 200.",
}


def described(enumeration: type[Member], words: Mapping[Member, str], head: str) -> str:
    """A table of all members, in their order."""
    return table((head, "meaning"), ([shown(one), words[one]] for one in enumeration))


def shown(member: StrEnum) -> str:
    """A member as it stands in the API; the empty one as words."""
    return code(member.value) if member.value else "(empty)"


BEACON_REFUSALS = {
    BeaconRefusal.METHOD: "Neither POST nor OPTIONS.",
    BeaconRefusal.ENCODING: "The body has a `Content-Encoding`: nothing is unpacked.",
    BeaconRefusal.TOO_LARGE: "The body is larger than 16 KiB (64 KiB of another SDK).",
    BeaconRefusal.TIMEOUT: "The body did not come within ten seconds.",
    BeaconRefusal.DISCONNECTED: "The connection was broken off before the body was there.",
    BeaconRefusal.OVERLOAD: "More bodies are being read than `open_requests`.",
    BeaconRefusal.MALFORMED: "It is no beacon: no JSON, a wrong type, a text or a list too long.",
    BeaconRefusal.NESTED: "Brackets within brackets, too deep for any parser.",
    BeaconRefusal.KEY: "No app has this key.",
    BeaconRefusal.ORIGIN: "The origin is none of the app's, or is missing.",
    BeaconRefusal.PREFIX_RATE: "The network sends more than `prefix_per_second`.",
    BeaconRefusal.APP_RATE: "The app gets more than `app_per_second`.",
    BeaconRefusal.BOT: "A robot by its user agent, or a browser that is driven by a program. "
    "Answered as everybody.",
    BeaconRefusal.REPLAYED: "This sequence of this page view came before. Answered as everybody.",
}
OMISSIONS = {
    Omission.NAME: "A metric of another name.",
    Omission.VALUE: "Below zero, above 60 s (CLS: 100), or 0 for LCP and FCP.",
    Omission.DUMMY: "The first byte of a navigation that asked for nothing.",
    Omission.LATE: "Its view was over and the metric counted.",
    Omission.TOO_MANY: "More than 200 metrics of one page view wait.",
}
VIEWS_LOST = {
    Lost.KILLED: "The process before ended without an orderly stop: as many as were open at its "
    "last turn.",
    Lost.STALE: "They were kept at an orderly stop, and the next start came more than an hour "
    "later.",
    Lost.UNREADABLE: "What was kept cannot be read; how many there were is not known, so 1.",
}
EXCLUSIONS = {
    Exclusion.INCONSISTENT: "First byte, first paint and largest paint are in no possible order.",
    Exclusion.PREFIX_SHARE: "The network gave its share of this route and device in this hour.",
    Exclusion.PREFIX_PULL: "The network's values lie on one side of the p75 by more than "
    "`prefix_pull`, and by more than chance; of CLS, of the end of good.",
}
COMPARISONS = {
    Comparison.UNKNOWN: "Fewer values on one side than rules ask for. Never the same as steady.",
    Comparison.STEADY: "No difference that is both certain and large enough to be noticed.",
    Comparison.WORSE: "The 99 % bands of the p75 are apart, by 5 % and what a person notices. Of "
    "CLS: the shares worse than good differ, by 2.5 points.",
    Comparison.BETTER: "The same the other way.",
}


def beacon_refusals() -> str:
    """Why a beacon is not taken, and what it is answered with."""
    rows = ([code(one), code(STATUS[one]), BEACON_REFUSALS[one]] for one in BeaconRefusal)
    return table(("reason", "answer", "meaning"), rows)


def omissions() -> str:
    """Why a metric of a beacon is left out."""
    return described(Omission, OMISSIONS, "reason")


def exclusions() -> str:
    """Why a final value is not counted."""
    return described(Exclusion, EXCLUSIONS, "reason")


def views_lost() -> str:
    """Why page views that were open are not counted."""
    return described(Lost, VIEWS_LOST, "reason")


def comparisons() -> str:
    """How releases and spans compare."""
    return described(Comparison, COMPARISONS, "verdict")


def verdicts() -> str:
    """What a rule may say."""
    return described(Verdict, VERDICTS, "verdict")


def verdict_reasons() -> str:
    """Why it says so."""
    return described(Reason, JUDGEMENTS, "reason")


def left_out() -> str:
    """Why a signal, or a part of it, has no windows."""
    return described(LeftOut, LEFT_OUT, "reason")


def phases() -> str:
    """Where a regression is in its life."""
    return described(Phase, PHASES, "state")


def steps() -> str:
    """What happens to a regression."""
    return described(Step, STEPS, "step")


def failures() -> str:
    """Why a target is down."""
    words = {one: text[:1].upper() + text[1:] + "." for one, text in IN_WORDS.items()}
    return described(Failure, words, "reason")


def source_outcomes() -> str:
    """What became of a query to the source."""
    words = {one: text[:1].upper() + text[1:] + "." for one, text in ANSWERS.items()}
    return described(Answered, words, "outcome")


def source_signals() -> str:
    """How reading one signal goes."""
    words = {one: text[:1].upper() + text[1:] + "." for one, text in SIGNAL_STATES.items()}
    return described(SignalState, words, "state")


def drops() -> str:
    """Why samples of a page were left out."""
    return described(Drop, DROPS, "reason")


def decisions() -> str:
    """Why a message goes out, or not."""
    return described(Decision, DECISIONS_IN_WORDS, "reason")


def notices() -> str:
    """Why a group is told, or not."""
    return described(Notice, NOTICES, "notice")


def troubles() -> str:
    """What Plimsoll tells about itself."""
    return described(TroubleKind, TROUBLES, "`alertname`")


def beats() -> str:
    """What becomes of a sign of life."""
    return described(Beat, BEATS, "outcome")


def outcomes() -> str:
    """What became of a call to a receiver."""
    return described(Outcome, OUTCOMES, "outcome")


def refusals() -> str:
    """Why somebody is not let in."""
    return described(Refusal, REFUSALS, "reason")


def problems() -> str:
    """The types of problem details."""
    return table(
        ("type", "meaning"),
        ([code(f"urn:plimsoll:problem:{one.value}"), PROBLEMS[one]] for one in ProblemType),
    )


def gates() -> str:
    """The stages of a verdict in their order, as they are run."""
    nothing = np.empty(0)
    judged = Judged((), np.empty((0, 1)), np.empty((0, 1)), 0)
    rule = Rule.model_validate(
        {
            "signal": "s",
            "trigger": {"relative": {"above": 1.2}},
            "sustain": {"windows": 1, "of": 1},
            "clear": {"for": "1m"},
        }
    )
    background = Background(nothing, nothing, nothing, np.empty(0, np.int64))
    levels = Levels(worse=Limits(nothing, nothing, nothing))
    rows = []
    for one in stages(Case.of(rule, Span(60_000, 1, 1), judged, background, levels)):
        reason = f", {code(one.reason)}" if one.reason else ""
        rows.append([code(one.gate), ASKS[one.gate], f"{code(one.verdict)}{reason}"])
    rows.append(["", "All of it.", code(Verdict.REGRESSED)])
    return table(("gate", "asks", "if not so"), rows)


def gate_results() -> str:
    """What becomes of a series at a gate."""
    return described(Result, RESULTS, "result")


def noise() -> str:
    """Whether a rule would be noise."""
    return described(Noise, NOISE_IN_WORDS, "verdict")


def receiver_states() -> str:
    """How a receiver is doing."""
    return described(ReceiverState, RECEIVERS_IN_WORDS, "state")


def covers() -> str:
    """What a silence would do to an incident."""
    return described(Cover, COVERS, "cover")


def unchecked() -> str:
    """What of a pasted configuration is not looked at."""
    return described(Unchecked, UNCHECKED, "reason")


def checks() -> str:
    """How a check of a pasted configuration ends."""
    return described(Checked, CHECKED, "outcome")


def sign_ins() -> str:
    """What becomes of a try to sign in through a provider."""
    return described(SignIn, SIGN_INS, "ending")


def replays() -> str:
    """How a replay over REST ends."""
    return described(Replayed, REPLAYED, "outcome")


def exports() -> str:
    """How an export ends."""
    return described(Exported, EXPORTED, "outcome")


def endings() -> str:
    """How a stream of live updates ends."""
    return described(Ending, ENDINGS, "reason")


def repeats() -> str:
    """What a change with a key is."""
    return described(Repeat, REPEATS, "kind")


def ways() -> str:
    """How somebody gets the overview or the summary."""
    return described(Way, WAYS, "way")


def not_kept() -> str:
    """Why an answer is not kept."""
    return described(NotKept, NOT_KEPT, "reason")
