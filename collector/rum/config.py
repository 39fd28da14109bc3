"""The section `collector.rum`: whose beacons are taken, from where, and within which limits."""

import re
from collections import Counter
from ipaddress import ip_network
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from storage.duration import Seconds

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?")
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
_ROUTE = re.compile(r"/[^?#\s]{0,199}")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def origin(value: str) -> str:
    """An origin as browsers write it: scheme and host in lower case, no path, no default port."""
    if not _ORIGIN.fullmatch(value):
        raise ValueError(
            f"{value!r} is no origin: write scheme://host or scheme://host:port, in lower case, "
            "without a path"
        )
    scheme = value.partition(":")[0]
    if value.endswith(DEFAULT_PORTS[scheme]):
        raise ValueError(f"{value!r} names the default port; browsers leave it out")
    return value


def header_name(value: str) -> str:
    """The name of a header, in lower case."""
    lower = value.lower()
    if not _HEADER.fullmatch(lower):
        raise ValueError(f"{value!r} is no name of a header")
    return lower


def network(value: str) -> str:
    """An address or a network like 10.0.0.0/8."""
    try:
        ip_network(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is no address and no network like 10.0.0.0/8 (host bits must be zero)"
        ) from None
    return value


class RumApp(BaseModel):
    """A site whose browsers send beacons."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="What the app is called; becomes the label `app`.")
    key: str = Field(description="The key that its beacons carry. It is public, not a secret.")
    origins: list[Annotated[str, AfterValidator(origin)]] = Field(
        default_factory=list,
        description="Origins whose pages may send, like https://shop.example.",
    )
    allow_missing_origin: bool = Field(
        False, description="Whether requests without an Origin header are taken, too."
    )
    automation: bool = Field(
        False,
        description="Whether browsers that are driven by a program count: for tests of the "
        "beacon itself.",
    )
    routes: list[str] = Field(
        default_factory=list,
        description="Route templates that are always admitted, like /checkout/:id. A path that "
        "fits one is counted there.",
    )
    target: str | None = Field(
        None,
        description="The target whose server counts the same pages: what the coverage is "
        "measured by.",
    )

    @field_validator("name")
    @classmethod
    def _name_is_usable(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                "must be 1 to 64 letters, digits or any of _ . - and begin with a letter or digit"
            )
        return value

    @field_validator("key")
    @classmethod
    def _key_is_usable(cls, value: str) -> str:
        if not _KEY.fullmatch(value):
            raise ValueError("must be 1 to 64 letters, digits or any of _ . : -")
        return value

    @field_validator("routes")
    @classmethod
    def _routes_are_templates(cls, value: list[str]) -> list[str]:
        for one in value:
            if not _ROUTE.fullmatch(one):
                raise ValueError(
                    f"{one!r} is no route template: begin with /, without query and fragment, "
                    "200 characters at most"
                )
        return value

    @model_validator(mode="after")
    def _somebody_may_send(self) -> "RumApp":
        if not self.origins and not self.allow_missing_origin:
            raise ValueError("give `origins`: without any, every beacon would be refused")
        return self


class RumConfig(BaseModel):
    """What browsers may send, and how much of it is believed. Without apps nothing is received."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    apps: list[RumApp] = Field(
        default_factory=list, max_length=20, description="The sites whose beacons are taken."
    )
    trusted_proxies: list[Annotated[str, AfterValidator(network)]] = Field(
        default_factory=list,
        description="Addresses or networks of proxies in front. Only what they add to "
        "X-Forwarded-For is believed, read from the right.",
    )
    country_header: Annotated[str, AfterValidator(header_name)] | None = Field(
        None,
        description="Header in which a trusted proxy tells the country (two letters), like "
        "cf-ipcountry.",
    )
    settle: Seconds = Field(
        600.0,
        description="How long a page view must be silent before its values are final and counted.",
    )
    interval: Seconds = Field(
        60.0, description="How often the counts are written into the history."
    )
    app_per_second: float = Field(500, gt=0, description="Beacons per second of one app.")
    app_burst: int = Field(1000, ge=1, description="Beacons of one app at once.")
    prefix_per_second: float = Field(
        10, gt=0, description="Requests per second of one network (/24 of IPv4, /56 of IPv6)."
    )
    prefix_burst: int = Field(50, ge=1, description="Requests of one network at once.")
    prefixes: int = Field(
        50_000, ge=100, description="Most networks that are remembered for their rate."
    )
    metric_ids: int = Field(
        200_000,
        ge=1000,
        description="Most metrics of one app that wait to become final; beyond, the oldest views "
        "are counted early.",
    )
    open_requests: int = Field(
        1000, ge=1, description="Most requests whose body is being read; others are refused."
    )
    routes: int = Field(
        50, ge=1, le=1000, description="Most routes of one app beside those that are configured."
    )
    releases: int = Field(
        20, ge=1, le=200, description="Most releases of one app that are told apart in an hour."
    )
    admit_views: int = Field(
        20, ge=1, description="Page views within an hour before a route or a release is admitted."
    )
    admit_prefixes: int = Field(
        3, ge=1, le=16, description="Networks that those page views must come from."
    )
    prefix_share: float = Field(
        0.05,
        gt=0,
        le=1,
        description="Share of an hour's page views of a route and device that one network may "
        "give; 1 where all users come from one network.",
    )
    prefix_pull: float = Field(
        0.003,
        gt=0,
        le=1,
        description="How far one network may pull a p75: the share of the hour's values of a "
        "metric, route and device by which its rank may move; 1 where nobody is held back.",
    )
    prefix_views: int = Field(
        20, ge=1, description="Page views an hour that one network may give in any case."
    )

    @field_validator("apps")
    @classmethod
    def _apps_are_told_apart(cls, value: list[RumApp]) -> list[RumApp]:
        for what in ("name", "key"):
            for text, count in Counter(getattr(app, what) for app in value).items():
                if count > 1:
                    raise ValueError(f"{count} apps have the {what} {text!r}; give each its own")
        return value

    @field_validator("settle")
    @classmethod
    def _settles(cls, value: float) -> float:
        if not 1 <= value <= 3600:
            raise ValueError("must be from 1s to 1h")
        return value

    @field_validator("interval")
    @classmethod
    def _often_enough(cls, value: float) -> float:
        # Counters that are read less often than every five minutes never grow.
        if not 1 <= value <= 240:
            raise ValueError("must be from 1s to 4m")
        return value
