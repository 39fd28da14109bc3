"""What a person who reads the whole channel was told."""

import re
from collections import Counter

from tests.slack_fake import FakeSlack

LINKED = re.compile(r"/incidents/([\w-]+)[|>]")


def told(slack: FakeSlack) -> Counter[str]:
    """How often each incident is told: by a message of its own, or by a line of a digest."""
    found: Counter[str] = Counter()
    for message in slack.everything():
        if message.incident.startswith("inc-"):
            found[message.incident] += 1
        elif message.incident:
            found.update(LINKED.findall(message.shown))
    return found
