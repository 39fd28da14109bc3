"""What becomes of a press of a button: the same action as over REST, by the person who pressed.

A press may come twice, late, or for something that is over: the state at the time of the press
decides, and the person who pressed reads what became of it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlmodel import Session

from alerts.alert import Outcome
from alerts.buttons import LABELS, Press, pressed
from alerts.deliver import milliseconds
from alerts.meters import AlertsMeters
from alerts.mrkdwn import escape
from alerts.notifiers import Notifier, Threaded
from detector.actions import IllegalActionError, Wish
from detector.regression import Incident, Regression
from storage.state import State

log = logging.getLogger(__name__)


class Result(StrEnum):
    """What became of a press."""

    DONE = "done"
    NOT_POSSIBLE = "not_possible"
    NO_INCIDENT = "no_incident"
    NOT_OURS = "not_ours"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a press, and what the person is told."""

    result: Result
    text: str = ""


class Acting(Protocol):
    """The detector's book, as far as presses need it."""

    def incident(self, session: Session, incident_id: str) -> Incident | None:
        """One incident, whole."""
        ...

    def act(self, session: Session, regression_id: str, wish: Wish) -> Regression | None:
        """Do what a person wishes."""
        ...


class Presses:
    """Takes presses, whichever way they come in."""

    def __init__(
        self,
        state: State,
        book: Acting,
        notifiers: Mapping[str, Notifier],
        meters: AlertsMeters,
    ) -> None:
        self._state = state
        self._book = book
        self._notifiers = notifiers
        self._meters = meters

    def take(self, payload: Mapping[str, Any], now: datetime) -> Answer:
        """Do what was pressed to every regression of the incident where it is possible."""
        press = pressed(payload)
        if press is None:
            self._meters.pressed("", Result.NOT_OURS)
            return Answer(Result.NOT_OURS)
        answer = self._act(press, milliseconds(now))
        self._meters.pressed(press.button, answer.result)
        log.info(
            "%s pressed %s of incident %s: %s",
            press.user_id,
            press.button,
            press.incident_id,
            answer.result,
        )
        if answer.result is not Result.DONE:
            self._whisper(press, answer.text)
        return answer

    def _act(self, press: Press, now_ms: int) -> Answer:
        wish = Wish(
            action=press.button.action,
            actor=press.actor,
            at_ms=now_ms,
            until_ms=press.button.until_ms(now_ms),
        )
        done, refusals = 0, []
        with self._state.unit() as session:
            incident = self._book.incident(session, press.incident_id)
            if incident is None:
                return Answer(Result.NO_INCIDENT, "Plimsoll does not know this incident any more.")
            for one in incident.regressions:
                if not one.phase.holds:
                    continue
                try:
                    self._book.act(session, one.id, wish)
                    done += 1
                except IllegalActionError as error:
                    refusals.append(str(error))
        label = LABELS[press.button]
        if done:
            return Answer(Result.DONE, f"{label}: done for {done}.")
        why = refusals[0] if refusals else "it is over"
        return Answer(Result.NOT_POSSIBLE, f"{label} is not possible: {why}.")

    def _whisper(self, press: Press, text: str) -> None:
        """Tell the person why nothing happens; if that fails there is nobody else to tell."""
        for notifier in self._notifiers.values():
            if isinstance(notifier, Threaded) and press.channel and press.user_id:
                told = notifier.whisper(press.channel, press.user_id, escape(text))
                if told.outcome is Outcome.SENT:
                    return
