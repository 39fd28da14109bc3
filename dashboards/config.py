"""The section `dashboards` of the configuration: what the files must know of the outside."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from storage.duration import Seconds

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError(
            f"{value!r} is no address; write it like https://plimsoll.example.org,"
            " without user, query or fragment"
        )
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_url)]


class UnfitTokenError(Exception):
    """The token of a service account cannot be read or is none; the message never holds it."""


class GrafanaConfig(BaseModel):
    """A Grafana that dashboards are pushed to, by the token of a service account."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Url = Field(description="Grafana's address, with its subpath if it has one.")
    token: SecretStr | None = Field(
        None,
        description="Token of a service account that may write dashboards and annotations and "
        "create folders (the role Editor).",
    )
    token_file: Path | None = Field(None, description="File that holds the token.")
    folder: str = Field(
        "Plimsoll",
        min_length=1,
        max_length=189,
        description="Title of the folder; made if missing.",
    )
    folder_uid: str = Field(
        "plimsoll",
        pattern=r"^[a-zA-Z0-9_-]{1,40}$",
        description="Its uid, by which it is found again when somebody renames it.",
    )
    plain_http: bool = Field(
        False,
        description="Send the token over plain http to another machine; only in a network where "
        "nobody can listen.",
    )
    ca_file: Path | None = Field(
        None, description="Certificates that are trusted in place of the system's."
    )
    timeout: Seconds = Field(10.0, le=60, description="How long one answer may take.")
    annotations: bool = Field(
        True,
        description="Whether the running process keeps deployments and regressions of the last "
        "seven days as annotations there, all with the tag `plimsoll`.",
    )

    @model_validator(mode="after")
    def _one_token_on_a_safe_way(self) -> Self:
        faults = []
        if (self.token is None) == (self.token_file is None):
            faults.append("give `token` or `token_file`, exactly one of them")
        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.plain_http:
            faults.append(
                "the token travels over https only; http is for 127.0.0.1 and localhost, or with "
                "`plain_http: true` where nobody can listen"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def secret(self) -> SecretStr:
        """The token as it is now; an `UnfitTokenError` says what is wrong with it."""
        value = self.token.get_secret_value() if self.token else ""
        if self.token_file is not None:
            try:
                value = self.token_file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is not UTF-8 text"
                raise UnfitTokenError(f"{self.token_file} cannot be read: {why}") from None
        if not value or not value.isascii() or any(one.isspace() for one in value):
            raise UnfitTokenError("the token of the service account is empty or holds blanks")
        return SecretStr(value)


class DashboardsConfig(BaseModel):
    """Where the dashboards point to, and where Grafana finds them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plimsoll_url: Url = Field(
        "http://127.0.0.1:8750",
        description="Plimsoll's address as a browser reaches it; a click on a value leads there.",
    )
    prometheus_url: Url = Field(
        "http://127.0.0.1:9090",
        description="Prometheus' address as Grafana reaches it, for the example of a data source.",
    )
    grafana_directory: str = Field(
        "",
        description=(
            "The written directory as Grafana sees it, such as a mount in its container;"
            " empty when it is the same path."
        ),
    )
    metrics_series: int = Field(
        2000,
        ge=1,
        description="Most series of one signal on `/metrics`; those with an open regression come "
        "first, then those with the most observations. `plimsoll_signal_series_left_out` counts "
        "the rest.",
    )
    objective: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Share of the judged spans that must be within a fixed limit, on the dashboard "
        "about SLAs.",
    )
    records: tuple[Literal["postgresql", "infinity"], ...] = Field(
        (),
        description="More dashboards, which read every record: `postgresql` where Plimsoll's state "
        "is a data source of Grafana, `infinity` where the Infinity plugin reads the REST API.",
    )
    grafana: GrafanaConfig | None = Field(
        None, description="Where `plimsoll dashboards push` pushes to."
    )
