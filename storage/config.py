"""The section `storage` of plimsoll.yaml: where data is kept, and for how long."""

import re
from enum import StrEnum
from pathlib import Path
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

from storage.addresses import web_address
from storage.duration import Seconds
from storage.state import StateError, make_engine, sqlite_url

DAY = 86_400.0
LEAST_BACKFILL_DAYS, MOST_BACKFILL_DAYS = 7, 28
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Engine(StrEnum):
    """Whose PromQL it is: the two differ in what the increase of a counter over a span is."""

    AUTO = "auto"
    PROMETHEUS = "prometheus"
    VICTORIAMETRICS = "victoriametrics"


class Partial(StrEnum):
    """What becomes of an answer that says itself that part of the data is missing."""

    REFUSE = "refuse"
    ACCEPT = "accept"


def base_url(value: str) -> str:
    """The address before `/api/v1`, without credentials; the message never repeats a password."""
    parts = web_address(value, "http://prometheus:9090")
    if parts.query or parts.fragment:
        raise ValueError("must end before ? and #; a tenant goes into `tenant` or `headers`")
    if re.search(r"/api/v1(/|$)", parts.path):
        raise ValueError("must end before /api/v1, like http://mimir:8080/prometheus")
    return value.rstrip("/")


class PrometheusConfig(BaseModel):
    """The Prometheus-compatible engine that signals are read from."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[str, AfterValidator(base_url)] = Field(
        description="Where its API is, up to `/api/v1`: http://prometheus:9090, "
        "http://vmselect:8481/select/0/prometheus, http://mimir:8080/prometheus."
    )
    engine: Engine = Field(
        Engine.AUTO,
        description="How it counts increases; `auto` asks once with an expression that only "
        "VictoriaMetrics understands.",
    )
    target_label: str = Field(
        "instance", description="What the label `target` of our signals is called there."
    )
    tenant: str | None = Field(None, description="Sent as X-Scope-OrgID, for Mimir and Cortex.")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="More headers to send with each request."
    )
    header_files: dict[str, FilePath] = Field(
        default_factory=dict,
        description="Headers whose values stand in files; read anew for every request.",
    )
    token: SecretStr | None = Field(None, description="A bearer token that is sent along.")
    token_file: FilePath | None = Field(
        None, description="A file with the bearer token; read anew for every request."
    )
    username: str | None = Field(None, description="The user of HTTP basic authentication.")
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: FilePath | None = Field(
        None, description="A file with its password; read anew for every request."
    )
    ca_file: FilePath | None = Field(
        None, description="Certificates (PEM) that are trusted instead of the system's."
    )
    cert_file: FilePath | None = Field(
        None, description="A certificate (PEM) to show, where clients must have one."
    )
    key_file: FilePath | None = Field(None, description="Its private key (PEM, not encrypted).")
    server_name: str | None = Field(
        None, description="The name in its certificate, if it is not the host of `url`."
    )
    insecure_skip_verify: bool = Field(
        False, description="Trust any certificate. Whoever is in between can read and forge all."
    )
    timeout: Seconds = Field(30.0, description="How long one query may take in all.")
    concurrency: int = Field(4, ge=1, le=32, description="Most queries at the same time.")
    max_points: int = Field(
        10_000, ge=10, le=11_000, description="Most points of one series in one query."
    )
    max_bytes: int = Field(
        64 * 1024 * 1024,
        ge=65_536,
        description="Largest answer, in bytes after decompression; a longer one is asked for in "
        "halves.",
    )
    max_series: int = Field(
        50_000,
        ge=1,
        description="Most series of one answer, each bucket counted; of a signal that has more "
        "nothing is read.",
    )
    delay: Seconds = Field(
        40.0,
        description="How long after its end a window is asked for. VictoriaMetrics hides the last "
        "30s unless told otherwise.",
    )
    reread_span: Seconds = Field(
        600.0, description="How far back windows are read again, for samples that came late."
    )
    reread_every: Seconds = Field(300.0, description="How often they are read again.")
    backfill: Seconds = Field(
        LEAST_BACKFILL_DAYS * DAY,
        ge=LEAST_BACKFILL_DAYS * DAY,
        le=MOST_BACKFILL_DAYS * DAY,
        description="How much of the past is read at the first start.",
    )
    scrape_interval: Seconds | None = Field(
        None,
        description="How often its targets are scraped; measured for each signal if left out.",
    )
    partial_responses: Partial = Field(
        Partial.REFUSE,
        description="What becomes of an answer in which data is missing: `refuse` asks again, "
        "`accept` takes what came.",
    )

    @field_validator("target_label")
    @classmethod
    def _label_is_one(cls, value: str) -> str:
        if not _LABEL.fullmatch(value):
            raise ValueError("is no label name: letters, digits and _, not beginning with a digit")
        return value

    @field_validator("headers", "header_files")
    @classmethod
    def _headers_are_sendable(cls, value: dict[str, object]) -> dict[str, object]:
        for name, text in value.items():
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header")
            if name.lower() in ("host", "content-length", "transfer-encoding", "content-type"):
                raise ValueError(f"{name!r} is set by Plimsoll")
            if isinstance(text, SecretStr):
                plain = text.get_secret_value()
                if not (plain.isascii() and plain.isprintable()):
                    raise ValueError(f"the value of {name!r} cannot stand in a header")
        return value

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("token and token_file are both given; keep one")
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both given; keep one")
        token = self.token is not None or self.token_file is not None
        password = self.password is not None or self.password_file is not None
        own = "authorization" in {one.lower() for one in (*self.headers, *self.header_files)}
        if token + (password or self.username is not None) + own > 1:
            raise ValueError("more than one of token, username and a header Authorization is given")
        if password != (self.username is not None):
            raise ValueError("username and password belong together; one of them is missing")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; one of them is missing")
        names = [one.lower() for one in (*self.headers, *self.header_files)]
        if self.tenant is not None:
            names.append("x-scope-orgid")
        if len(names) > len(set(names)):
            raise ValueError("a header is given twice, in headers, header_files or as tenant")
        return self


class StorageConfig(BaseModel):
    """Where history and state are kept, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    directory: Path = Field(
        default=Path("plimsoll-data"),
        description="Directory of the history and, unless `state_url` is given, of the state.",
    )
    state_url: SecretStr | None = Field(
        default=None,
        description="Database of the state instead of a SQLite file: postgresql+psycopg://...",
    )
    state_url_file: Path | None = Field(
        default=None, description="File that holds the address of the state."
    )
    memory: str = Field(
        default="256MB",
        pattern=r"^[1-9][0-9]*(MB|GB)$",
        description="Memory that the history may use for its buffers, like 256MB or 2GB.",
    )
    keep_samples: Seconds = Field(default=8 * DAY, description="How long raw samples are kept.")
    keep_fine_windows: Seconds = Field(
        default=2 * DAY,
        description="How long windows of a signal's `window` are kept, or as long as rules need.",
    )
    keep_windows: Seconds = Field(
        default=35 * DAY, description="How long windows of a signal's `over` are kept."
    )
    keep_hourly_windows: Seconds = Field(
        default=400 * DAY, description="How long windows of an hour are kept, for long charts."
    )
    keep_judgements: Seconds = Field(
        default=8 * DAY, description="How long every single judgement is kept."
    )

    prometheus: PrometheusConfig | None = Field(
        default=None,
        description="A Prometheus-compatible engine to read signals from, beside what is collected "
        "here.",
    )

    @field_validator("state_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                make_engine(value.get_secret_value()).dispose()
            except StateError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _enough_and_once(self) -> "StorageConfig":
        if self.state_url is not None and self.state_url_file is not None:
            raise ValueError("state_url and state_url_file say the same: keep one of them")
        if self.keep_windows < 8 * DAY:
            raise ValueError("keep_windows must be at least 8d: baselines look back 7 days")
        if self.prometheus is not None and self.keep_windows < self.prometheus.backfill + DAY:
            raise ValueError("keep_windows must be a day longer than prometheus.backfill")
        if self.keep_fine_windows < DAY / 4:
            raise ValueError("keep_fine_windows must be at least 6h: charts show 3 hours of them")
        if self.keep_hourly_windows < self.keep_windows:
            raise ValueError("keep_hourly_windows must be at least as long as keep_windows")
        return self

    @property
    def history_path(self) -> Path:
        """The DuckDB file."""
        return self.directory / "history.duckdb"

    def url(self) -> str:
        """The address of the state; with a password in it, so never to be shown."""
        if self.state_url is not None:
            return self.state_url.get_secret_value()
        if self.state_url_file is not None:
            try:
                return self.state_url_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", "it is no text")
                raise StateError(
                    f"{self.state_url_file} cannot be read ({reason}): "
                    "check `storage.state_url_file`"
                ) from None
        return sqlite_url(self.directory / "state.sqlite3")
