"""The section `collector` of plimsoll.yaml: what is collected, how often, within which limits."""

import re
from collections import Counter
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    field_validator,
    model_validator,
)

from collector.rum.config import RumConfig
from collector.source import TARGET
from storage.addresses import web_address
from storage.duration import Seconds
from storage.series import check_regex

RESERVED_NAMES = ("host", "plimsoll", "rum")
"""What Plimsoll calls the machine it runs on, its own page, and what browsers send."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def scrape_url(value: str) -> str:
    """An http(s) URL without credentials; the message never repeats what may be a password."""
    web_address(value, "http://shop:8000/metrics")
    return value


def metric_pattern(value: str) -> str:
    """A regular expression that compiles."""
    check_regex(value)
    return value


class Limits(BaseModel):
    """How much one target may bring. What is beyond is left out and counted by reason."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    body_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, description="Largest page, in bytes after decompression."
    )
    samples: int = Field(50_000, ge=1, description="Most samples read from one page.")
    series: int = Field(
        20_000,
        ge=1,
        description="Most series of one target at a time; new ones are left out.",
    )
    labels: int = Field(20, ge=1, description="Most labels of one series.")
    label_value_bytes: int = Field(
        256, ge=1, description="Longest name or value of a label, and name of a metric, in bytes."
    )


class Target(BaseModel):
    """A page in the Prometheus text format that is fetched again and again."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(description="What the target is called; becomes the label `target`.")
    url: Annotated[str, AfterValidator(scrape_url)] = Field(
        description="The page, http or https, without credentials. Redirects are not followed."
    )
    interval: Seconds | None = Field(
        None, description="How often it is fetched, if not as `collector.interval` says."
    )
    timeout: Seconds | None = Field(
        None, description="How long one fetch may take, if not as `collector.timeout` says."
    )
    token: SecretStr | None = Field(None, description="A bearer token that is sent along.")
    token_file: FilePath | None = Field(
        None, description="A file with the bearer token; read anew for every fetch."
    )
    username: str | None = Field(None, description="The user of HTTP basic authentication.")
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: FilePath | None = Field(
        None, description="A file with its password; read anew for every fetch."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels that all series of this target get."
    )
    ca_file: FilePath | None = Field(
        None, description="Certificates (PEM) that are trusted instead of the system's."
    )
    allow: Annotated[str, AfterValidator(metric_pattern)] | None = Field(
        None,
        description="Regular expression for metric names; others are left out. Matched as a whole "
        "against the name with and without `_bucket`, `_count`, `_sum` or `_total`.",
    )
    any_content_type: bool = Field(
        False, description="Read the page as text format whatever its Content-Type says."
    )

    @field_validator("name")
    @classmethod
    def _name_is_usable(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                "must be 1 to 100 letters, digits or any of _ . : - and begin with a letter or "
                "digit"
            )
        return value

    @field_validator("username")
    @classmethod
    def _username_has_no_colon(cls, value: str | None) -> str | None:
        if value is not None and ":" in value:
            raise ValueError("cannot hold a colon: that is where the password begins")
        return value

    @field_validator("labels")
    @classmethod
    def _labels_are_usable(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name == TARGET:
                raise ValueError(f"{TARGET!r} is set by Plimsoll to the target's name")
            if not _LABEL.fullmatch(name) or name.startswith("__"):
                raise ValueError(
                    f"{name!r} is no label name: letters, digits and _, not beginning with a digit "
                    "or with __"
                )
            if not text:
                raise ValueError(f"the value of {name!r} is empty; leave the label out instead")
        return value

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("token and token_file are both given; keep one")
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both given; keep one")
        token = self.token is not None or self.token_file is not None
        password = self.password is not None or self.password_file is not None
        if token and (password or self.username is not None):
            raise ValueError("a token and a username are both given; a request carries only one")
        if password and self.username is None:
            raise ValueError("a password is given, but no username")
        if self.username is not None and not password:
            raise ValueError("a username is given, but neither password nor password_file")
        return self


class CollectorConfig(BaseModel):
    """What is collected. Targets come only from here, never from a request."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    interval: Seconds = Field(15.0, description="How often each target is collected.")
    timeout: Seconds = Field(
        10.0,
        description="How long one collection may take, name look-up included; never more than "
        "four fifths of the interval.",
    )
    host: bool = Field(True, description="Whether this machine and its container are collected.")
    limits: Limits = Field(default_factory=Limits, description="How much one target may bring.")
    targets: list[Target] = Field(
        default_factory=list, description="Pages in the Prometheus text format."
    )
    rum: RumConfig = Field(
        default_factory=RumConfig,
        description="What browsers may send, see [web vitals](web-vitals.md).",
    )

    @field_validator("targets")
    @classmethod
    def _names_are_unique(cls, value: list[Target]) -> list[Target]:
        for name, count in Counter(target.name for target in value).items():
            if name in RESERVED_NAMES:
                raise ValueError(f"{name!r} is the name of a built-in target; choose another one")
            if count > 1:
                raise ValueError(f"{count} targets are called {name!r}; give each its own name")
        return value

    @model_validator(mode="after")
    def _pages_are_counted_somewhere(self) -> Self:
        names = {target.name for target in self.targets}
        for app in self.rum.apps:
            if app.target is not None and app.target not in names:
                raise ValueError(
                    f"the app {app.name!r} names a target {app.target!r} that is not there"
                )
        return self
