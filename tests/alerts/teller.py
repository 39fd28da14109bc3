"""A process that tells what is in the book and in the outbox, to be killed at any point.

It reads one time per line and forks a child that starts from there as a fresh process would, since
the imports alone would take longer than all the rest.
"""

import os
import sys
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from alerts.config import AlertsConfig
from alerts.meters import AlertsMeters
from alerts.run import Alerts
from alerts.slack_config import SlackConfig
from storage.state import State
from tests.alerts.books import TestBook
from tests.slack_fake import CHANNEL, TOKEN


def tell(url: str, api_url: str, start: str) -> None:
    """Recover, announce, and deliver until nothing is left; the clock leaps between rounds."""
    slack = SlackConfig.model_validate(
        {
            "bot_token": TOKEN,
            "channel": CHANNEL,
            "api_url": api_url,
            "timeout": 5,
            "messages_per_minute": 1000,
        }
    )
    meters = AlertsMeters(CollectorRegistry())
    alerts = Alerts(State(url), TestBook(), AlertsConfig(slack=slack), meters)
    now = datetime.fromisoformat(start)
    alerts.recover(now)
    while alerts.announce(now) or alerts.deliver(now) or alerts.status(now).pending:
        now += timedelta(seconds=max(alerts.due_in(now) or 0, 0.001))


def say(word: object) -> None:
    """One line to whoever started us."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(url: str, api_url: str) -> None:
    """For each time on standard input: a child, its process id, and how it ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            ended = 1
            try:
                tell(url, api_url, line.strip())
                ended = 0
            finally:
                os._exit(ended)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
