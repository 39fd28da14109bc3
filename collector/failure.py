"""Why a collection brought nothing: one enumerated reason, one harmless sentence."""

import traceback
from enum import StrEnum


class Failure(StrEnum):
    """The reasons; each is a label value of `plimsoll_collector_failures_total`."""

    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    AUTH = "auth"
    PERMISSION = "permission"
    TLS = "tls"
    PARSE = "parse"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol"
    INTERNAL = "internal"
    DENIED = "denied"
    HTTP_STATUS = "http_status"
    NOT_INSTALLED = "not_installed"


class CollectFailure(Exception):  # noqa: N818 - an expected outcome with a reason, not an error
    """A collection failed for `reason`; `detail` is a sentence for people.

    The detail is shown on pages and in logs, so whoever raises this writes it himself: never the
    text of a foreign exception, a header or a body, which may hold credentials.
    """

    def __init__(self, reason: Failure, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def internal(error: Exception) -> CollectFailure:
    """A bug of ours. Where it happened is told, not what it says: that may quote a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return CollectFailure(Failure.INTERNAL, f"{type(error).__name__} in {places}")
