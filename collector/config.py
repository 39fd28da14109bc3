"""The section `collector` of plimsoll.yaml: what is collected, how often, within which limits."""

from collections import Counter
from collections.abc import Iterator, Sequence
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

from collector.postgres.config import PostgresTarget
from collector.rum.config import RumConfig
from collector.watched import Watched, host_and_port, one_password
from storage.addresses import web_address
from storage.duration import Seconds
from storage.series import check_regex

RESERVED_NAMES = ("host", "plimsoll", "rum")
"""What Plimsoll calls the machine it runs on, its own page, and what browsers send."""

MOST_KEY_GROUPS = 50


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


class Target(Watched):
    """A page in the Prometheus text format that is fetched again and again."""

    url: Annotated[str, AfterValidator(scrape_url)] = Field(
        description="The page, http or https, without credentials. Redirects are not followed."
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

    @field_validator("username")
    @classmethod
    def _username_has_no_colon(cls, value: str | None) -> str | None:
        if value is not None and ":" in value:
            raise ValueError("cannot hold a colon: that is where the password begins")
        return value

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("token and token_file are both given; keep one")
        one_password(self.password, self.password_file)
        token = self.token is not None or self.token_file is not None
        password = self.password is not None or self.password_file is not None
        if token and (password or self.username is not None):
            raise ValueError("a token and a username are both given; a request carries only one")
        if password and self.username is None:
            raise ValueError("a password is given, but no username")
        if self.username is not None and not password:
            raise ValueError("a username is given, but neither password nor password_file")
        return self


class RedisTarget(Watched):
    """A Redis or Valkey server, asked in its own protocol."""

    address: Annotated[str, AfterValidator(host_and_port)] = Field(
        description="Host and port, like `cache.internal:6379`, without credentials."
    )
    tls: bool = Field(False, description="Whether it speaks TLS; its certificate is checked.")
    ca_file: FilePath | None = Field(
        None, description="Certificates (PEM) that are trusted instead of the system's."
    )
    username: str | None = Field(
        None, description="The user; without one the password is that of the user `default`."
    )
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: FilePath | None = Field(
        None, description="A file with its password; read anew for every connection."
    )
    database: int = Field(0, ge=0, description="The database whose keys are sampled.")
    sampled_keys: int = Field(
        2000,
        ge=0,
        le=20_000,
        description="Keys looked at in five minutes, for size, age and time to live by group; "
        "0 looks at none.",
    )
    key_groups: tuple[str, ...] = Field(
        (),
        max_length=MOST_KEY_GROUPS,
        description="Patterns like `session:*` by which keys are grouped. Keys that fit none "
        "belong to the part before the first `:` or digit, once twenty keys share it.",
    )
    events: bool = Field(
        True,
        description="Whether to listen for keys that expired, were evicted or missed; nothing "
        "comes before `notify-keyspace-events` is set on the server.",
    )

    @field_validator("key_groups")
    @classmethod
    def _patterns_are_simple(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not pattern.strip("*") or not pattern.isprintable() or len(pattern.encode()) > 64:
                raise ValueError(
                    "holds a pattern that is no name with `*` in it, of at most 64 bytes"
                )
        return value

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        one_password(self.password, self.password_file)
        if self.username is not None and self.password is None and self.password_file is None:
            raise ValueError("a username is given, but neither password nor password_file")
        if self.ca_file is not None and not self.tls:
            raise ValueError("a ca_file is given, but tls is off")
        return self


class MemcachedTarget(Watched):
    """A memcached server, asked for its statistics."""

    address: Annotated[str, AfterValidator(host_and_port)] = Field(
        description="Host and port, like `cache.internal:11211`."
    )


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

    postgres: list[PostgresTarget] = Field(default_factory=list, description="PostgreSQL servers.")
    redis: list[RedisTarget] = Field(default_factory=list, description="Redis and Valkey servers.")
    memcached: list[MemcachedTarget] = Field(default_factory=list, description="memcached servers.")

    def watched(self) -> Iterator[tuple[tuple[str, str], Watched]]:
        """Everything that is named, with the key under which it stands: `("redis", "0")`."""
        kinds: dict[str, Sequence[Watched]] = {
            "targets": self.targets,
            "postgres": self.postgres,
            "redis": self.redis,
            "memcached": self.memcached,
        }
        for kind, members in kinds.items():
            for position, one in enumerate(members):
                yield (kind, str(position)), one

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for name, count in Counter(one.name for _, one in self.watched()).items():
            if name in RESERVED_NAMES:
                raise ValueError(f"{name!r} is the name of a built-in target; choose another one")
            if count > 1:
                raise ValueError(f"{count} targets are called {name!r}; give each its own name")
        return self

    @model_validator(mode="after")
    def _pages_are_counted_somewhere(self) -> Self:
        names = {target.name for target in self.targets}
        for app in self.rum.apps:
            if app.target is not None and app.target not in names:
                raise ValueError(
                    f"the app {app.name!r} names a target {app.target!r} that is not there"
                )
        return self
