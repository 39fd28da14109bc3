"""What people do with a regression: acknowledge, resolve, accept, mute, unmute, deny, comment.

Pure: a row in, a row and its transition out. An action that fits nowhere in the life of this
regression is an `IllegalActionError`; one that is repeated changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from detector.regression import HOLDING, Kind, Phase, Regression, Step, Transition

MOST_TEXT = 1000


class Action(StrEnum):
    """What a person may do; the words of REST and the command line."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    ACCEPT = "accept"
    MUTE = "mute"
    UNMUTE = "unmute"
    FALSE_POSITIVE = "false-positive"
    COMMENT = "comment"


class IllegalActionError(ValueError):
    """An action that is not possible in this phase; the message says what is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants what of a regression, when and why; `until_ms` is the end of a mute."""

    action: Action
    actor: str
    at_ms: int
    reason: str = ""
    until_ms: int | None = None


ENDED = frozenset({Phase.RESOLVED, Phase.TRANSIENT})
# From which phases an action leads somewhere.
FROM: Mapping[Action, frozenset[Phase]] = {
    Action.ACKNOWLEDGE: HOLDING - {Phase.MUTED},
    Action.RESOLVE: HOLDING,
    Action.ACCEPT: HOLDING,
    Action.MUTE: HOLDING,
    Action.UNMUTE: HOLDING,
    Action.FALSE_POSITIVE: HOLDING | ENDED | {Phase.SUSPECTED},
    Action.COMMENT: frozenset(Phase),
}
TO: Mapping[Action, Phase] = {
    Action.ACKNOWLEDGE: Phase.ACKNOWLEDGED,
    Action.RESOLVE: Phase.RESOLVED,
    Action.ACCEPT: Phase.ACCEPTED,
    Action.MUTE: Phase.MUTED,
    Action.UNMUTE: Phase.OPEN,
    Action.FALSE_POSITIVE: Phase.FALSE_POSITIVE,
}
STEP: Mapping[Action, Step] = {
    Action.ACKNOWLEDGE: Step.ACKNOWLEDGED,
    Action.RESOLVE: Step.RESOLVED,
    Action.ACCEPT: Step.ACCEPTED,
    Action.MUTE: Step.MUTED,
    Action.UNMUTE: Step.UNMUTED,
    Action.FALSE_POSITIVE: Step.FALSE_POSITIVE,
    Action.COMMENT: Step.COMMENTED,
}


def possible(regression: Regression) -> tuple[Action, ...]:
    """What would change something now, in the order in which it is offered."""
    return tuple(
        action
        for action in Action
        if not refusal(regression, action) and not is_done(regression, action, None)
    )


def refusal(regression: Regression, action: Action) -> str:
    """Why an action is not possible; empty when it is."""
    if is_done(regression, action, None):
        return ""
    if regression.phase not in FROM[action]:
        able = ", ".join(sorted(phase.value for phase in FROM[action]))
        return f"{regression.id} is {regression.phase}: {action} is possible from {able}"
    better = regression.kind is Kind.IMPROVEMENT
    if better and action in (Action.ACKNOWLEDGE, Action.MUTE, Action.UNMUTE):
        return f"{regression.id} is an improvement: nobody is told of it, so nothing is to {action}"
    if action is Action.ACCEPT and not regression.is_statistical:
        return (
            f"{regression.rule} has a fixed limit, and no normal that could begin anew: change "
            "the limit, or mute the regression"
        )
    return ""


def is_done(regression: Regression, action: Action, until_ms: int | None) -> bool:
    """Whether an action has been taken already, so that doing it again changes nothing."""
    match action:
        case Action.COMMENT:
            return False
        case Action.UNMUTE:
            return regression.phase in HOLDING - {Phase.MUTED}
        case Action.MUTE:
            return regression.phase is Phase.MUTED and regression.muted_until_ms == until_ms
        case _:
            return regression.phase is TO[action]


def act(
    regression: Regression, wish: Wish, said: Callable[[Step, str, str], bool]
) -> tuple[Regression, tuple[Transition, ...]]:
    """The regression after a person's action; `said` tells whether a comment is the last one again.

    `said(step, actor, reason)` compares with the newest transition.
    """
    action = wish.action
    why = refusal(regression, action)
    if why:
        raise IllegalActionError(why)
    if action is Action.MUTE and wish.until_ms is not None and wish.until_ms <= wish.at_ms:
        raise IllegalActionError("a mute must end in the future")
    if is_done(regression, action, wish.until_ms):
        return regression, ()
    if action is Action.COMMENT:
        if said(Step.COMMENTED, wish.actor, wish.reason):
            return regression, ()
        return regression, (taken(regression, regression.phase, wish),)
    after = replace(
        regression,
        phase=TO[action],
        by=wish.actor,
        muted_until_ms=wish.until_ms if action is Action.MUTE else None,
    )
    if after.phase.is_over:
        # What was over before keeps its end: only the verdict on it changes.
        ended_ms = regression.resolved_ms if regression.phase.is_over else wish.at_ms
        after = replace(after, resolved_ms=ended_ms, clear_since_ms=None)
        if regression.phase.is_over:
            after = replace(after, clear_since_ms=ended_ms)  # its breach is over already
    if action is Action.ACCEPT:
        after = replace(after, accepted_from_ms=regression.began_hi_ms)
    return after, (taken(after, regression.phase, wish),)


def taken(after: Regression, before: Phase, wish: Wish) -> Transition:
    """The transition of a person's action."""
    evidence: dict[str, object] = {"value": after.value, "worst": after.worst}
    if wish.action is Action.MUTE:
        evidence["until_ms"] = wish.until_ms
    if after.accepted_from_ms is not None:
        evidence["accepted_from_ms"] = after.accepted_from_ms
    return Transition(
        regression_id=after.id,
        at_ms=wish.at_ms,
        actor=wish.actor,
        before=before,
        after=after.phase,
        reason=wish.reason,
        step=STEP[wish.action],
        evidence=evidence,
    )
