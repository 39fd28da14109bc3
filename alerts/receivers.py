"""The list `alerts.receivers`: who else hears of incidents, each by a name that routes can use."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerts.alert import Layout, Manner
from alerts.secret import UnfitSecretError, both_given, one_secret, web_address
from alerts.slack_config import Name, SlackConfig, unfit
from storage.duration import Seconds

STRICT = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WebhookConfig(BaseModel):
    """A web address that is posted JSON, signed where a secret is given."""

    model_config = STRICT

    url: SecretStr | None = Field(
        None, description="Where to post; it may hold a token, so it is a secret."
    )
    url_file: Path | None = Field(
        None, description="File that holds the address; read anew for every message."
    )
    secret: SecretStr | None = Field(
        None, description="Signs each request with HMAC-SHA256 over its time and body."
    )
    secret_file: Path | None = Field(
        None, description="File that holds the secret; read anew for every message."
    )
    timeout: Seconds = Field(10.0, le=60, description="How long one call may take, as a whole.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """Refuse an address that is none, and a secret that cannot be read."""
        faults = both_given("url", self.url, self.url_file)
        faults += both_given("secret", self.secret, self.secret_file)
        if not faults:
            faults += [told for told in map(unfit, (self.address, self.signs_with)) if told]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def manner(self) -> Manner:
        """How it is told."""
        return Manner(layout=Layout.JSON)

    def address(self) -> SecretStr:
        """Where to post, as it is now."""
        found = one_secret(self.url, self.url_file)
        if found is None or not found.get_secret_value().startswith(("http://", "https://")):
            raise UnfitSecretError("url must begin with http:// or https://")
        return found

    def signs_with(self) -> SecretStr | None:
        """The secret as it is now; None where nothing is signed."""
        return one_secret(self.secret, self.secret_file)


class EmailConfig(BaseModel):
    """E-mail over SMTP, in one thread for each incident."""

    model_config = STRICT

    host: str = Field(min_length=1, description="The mail server.")
    port: int = Field(587, ge=1, le=65535, description="Its port.")
    tls: Literal["starttls", "implicit", "none"] = Field(
        "starttls",
        description="`starttls`, `implicit` (port 465), or `none` for a server on this machine.",
    )
    user: str = Field("", description="User to log in as; empty: without.")
    password: SecretStr | None = Field(None, description="The user's password.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    sender: str = Field(
        alias="from", pattern=r"\A[^\s@<>]+@[^\s@<>]+\z", description="Address of the sender."
    )
    to: tuple[Annotated[str, Field(pattern=r"\A[^\s@<>]+@[^\s@<>]+\z")], ...] = Field(
        min_length=1, description="Addresses of those who are told."
    )
    timeout: Seconds = Field(20.0, le=60, description="How long one mail may take, as a whole.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """A password goes over TLS, or stays on this machine."""
        faults = both_given("password", self.password, self.password_file)
        given = self.password is not None or self.password_file is not None
        if given and not self.user:
            faults.append("a password needs a user")
        local = self.host in ("127.0.0.1", "::1", "localhost")
        if given and self.tls == "none" and not local:
            faults.append("a password travels over TLS only: tls: starttls or tls: implicit")
        checked(faults, self.password, self.password_file)
        return self

    @property
    def manner(self) -> Manner:
        """How it is told."""
        return Manner(layout=Layout.MAIL)

    def logs_in_with(self) -> SecretStr | None:
        """The password as it is now; None where nobody logs in."""
        return one_secret(self.password, self.password_file)


class AlertmanagerConfig(BaseModel):
    """An Alertmanager (API v2), which routes and silences what we find."""

    model_config = STRICT

    url: Annotated[str, AfterValidator(web_address)] = Field(
        description="Its address, such as http://127.0.0.1:9093."
    )
    bearer_token: SecretStr | None = Field(None, description="Token for a proxy in front of it.")
    bearer_token_file: Path | None = Field(None, description="File that holds the token.")
    resend: Seconds = Field(
        60.0,
        ge=1,
        le=240,
        description="How often an open incident is told again; Alertmanager forgets after five "
        "minutes unless its resolve_timeout says otherwise.",
    )
    timeout: Seconds = Field(10.0, le=60, description="How long one call may take, as a whole.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """A token goes over https, or stays on this machine."""
        faults = both_given("bearer_token", self.bearer_token, self.bearer_token_file)
        given = self.bearer_token is not None or self.bearer_token_file is not None
        local = self.url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
        if given and self.url.startswith("http://") and not local:
            faults.append("a token travels over https only; http is for 127.0.0.1 and localhost")
        checked(faults, self.bearer_token, self.bearer_token_file)
        return self

    @property
    def manner(self) -> Manner:
        """How it is told."""
        return Manner(layout=Layout.ALERTMANAGER, renew_ms=round(self.resend * 1000))

    def authorized_with(self) -> SecretStr | None:
        """The token as it is now; None where none is sent."""
        return one_secret(self.bearer_token, self.bearer_token_file)


class ReceiverConfig(BaseModel):
    """One receiver: a name, and one way to reach it."""

    model_config = STRICT

    name: Name = Field(description="What routes call it; each name stands once.")
    slack: SlackConfig | None = Field(
        None,
        description="Another channel; without a token of its own it takes that of `alerts.slack`.",
    )
    webhook: WebhookConfig | None = Field(None, description="A web address that takes JSON.")
    email: EmailConfig | None = Field(None, description="Addresses for e-mail.")
    alertmanager: AlertmanagerConfig | None = Field(None, description="An Alertmanager.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """Exactly one way."""
        ways = (self.slack, self.webhook, self.email, self.alertmanager)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of slack, webhook, email and alertmanager")
        if self.slack is not None and self.slack.name not in (None, self.name):
            raise ValueError("the receiver has a name already: remove slack.name")
        return self


def checked(faults: list[str], value: SecretStr | None, file: Path | None) -> None:
    """All faults at once, with that of a secret that cannot be read."""
    try:
        one_secret(value, file)
    except UnfitSecretError as unfit:
        faults = [*faults, str(unfit)]
    if faults:
        raise ValueError("; ".join(faults))
