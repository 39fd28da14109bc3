"""Why something that a browser sent is not counted: four short lists of named reasons."""

from enum import StrEnum


class Refusal(StrEnum):
    """Why a whole beacon was not taken; label values of `rum_beacons_dropped_total`."""

    METHOD = "method"
    ENCODING = "encoding"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    OVERLOAD = "overload"
    MALFORMED = "malformed"
    NESTED = "nested"
    KEY = "unknown_key"
    ORIGIN = "origin"
    PREFIX_RATE = "prefix_rate"
    APP_RATE = "app_rate"
    BOT = "bot"
    REPLAYED = "replayed"


class Omission(StrEnum):
    """Why a metric of a beacon was left out; label values of `rum_metrics_dropped_total`."""

    NAME = "unknown_name"
    VALUE = "value_out_of_range"
    DUMMY = "dummy"
    LATE = "late"
    TOO_MANY = "too_many"


class Exclusion(StrEnum):
    """Why a final value is kept out of the histograms; of `rum_values_excluded_total`."""

    INCONSISTENT = "inconsistent"
    PREFIX_SHARE = "prefix_share"
    PREFIX_PULL = "prefix_pull"


class Lost(StrEnum):
    """Why open page views were lost; label values of `rum_views_lost_total`."""

    KILLED = "killed"
    STALE = "stale"
    UNREADABLE = "unreadable"


STATUS = {
    Refusal.METHOD: 405,
    Refusal.ENCODING: 415,
    Refusal.TOO_LARGE: 413,
    Refusal.TIMEOUT: 408,
    Refusal.DISCONNECTED: 400,
    Refusal.OVERLOAD: 503,
    Refusal.MALFORMED: 400,
    Refusal.NESTED: 400,
    Refusal.KEY: 403,
    Refusal.ORIGIN: 403,
    Refusal.PREFIX_RATE: 429,
    Refusal.APP_RATE: 429,
    Refusal.BOT: 204,
    Refusal.REPLAYED: 204,
}
"""What each is answered with. A robot and a repeated beacon get what a good one gets."""


class RefusedError(Exception):
    """A beacon is not taken, for `reason`."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason
