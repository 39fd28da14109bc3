"""Which scope a request needs. Pure.

What is not named here needs `read` to look and `write` to change, so that an endpoint that is
forgotten is closed, not open.
"""

import re
from dataclasses import dataclass

from api.access.token import Scope

SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Exemption:
    """Paths (a whole match) whose requests need another scope than their method says.

    None where nobody is asked: health, static files, the door itself, and what carries its own
    key or signature.
    """

    paths: re.Pattern[str]
    looking: Scope | None
    changing: Scope | None


EXEMPTIONS = (
    Exemption(re.compile(r"/(healthz|readyz)"), None, Scope.ADMIN),
    Exemption(re.compile(r"/static/.+|/favicon\.ico"), None, Scope.ADMIN),
    Exemption(re.compile(r"/sign-in(/oidc|/callback)?|/sign-out"), None, None),
    Exemption(re.compile(r"/rum|/beacon[A-Za-z0-9.-]*\.m?js"), None, None),
    Exemption(re.compile(r"/slack/actions"), None, None),
    Exemption(re.compile(r"/api/v1/deployments"), Scope.READ, Scope.INGEST),
    Exemption(re.compile(r"/api/v1/(backup|audit|tokens(/.+)?)"), Scope.ADMIN, Scope.ADMIN),
    Exemption(re.compile(r"/api/v1/replays?(/.+)?"), Scope.READ, Scope.READ),
    Exemption(re.compile(r"/api/v1/configuration/check"), Scope.READ, Scope.READ),
    # It runs regular expressions of whoever asks, as only who may make a silence can do anyway.
    Exemption(re.compile(r"/api/v1/silences/preview"), Scope.WRITE, Scope.WRITE),
)

ASKING = re.compile(r"/api/v1/(replay|configuration/check)")
"""What is asked with POST because the question is long: the answer changes nothing."""


def changes(method: str, path: str) -> bool:
    """Whether a request that succeeds has changed something, and so belongs into the audit log."""
    return method not in SAFE and method != "OPTIONS" and ASKING.fullmatch(path) is None


def needed(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None where everybody may."""
    looking = method in SAFE or method == "OPTIONS"
    for one in EXEMPTIONS:
        if one.paths.fullmatch(path):
            return one.looking if looking else one.changing
    return Scope.READ if looking else Scope.WRITE
