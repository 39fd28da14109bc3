"""The section `alerts` of plimsoll.yaml: who is told, where, and from which severity on."""

import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from alerts.routing_config import RoutingConfig, deliveries, load
from alerts.scalars import Names
from alerts.watch_config import HeartbeatConfig, OwnConfig
from detector.regression import Severity
from storage.duration import Seconds

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,}")
_CHANNEL_NAME = re.compile(r"#?[^\sA-Z#@<>,:;/|]{1,80}")


class UnfitSecretError(Exception):
    """A secret cannot be read or is none; the message never holds the secret."""


def web_address(value: str) -> str:
    """An http(s) address without credentials and without its last slash."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address that begins with http:// or https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("write the address without user, password, query and fragment")
    return value.rstrip("/")


def safe_address(value: str) -> str:
    """An address that a secret may be sent to: https, or http on this machine."""
    address = web_address(value)
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("secrets travel over https only; http is for 127.0.0.1 and localhost")
    return address + "/"


def known_channel(value: str) -> str:
    """A channel as Slack knows it: an id as it stands, a name with its `#`."""
    if _CHANNEL_ID.fullmatch(value):
        return value
    if _CHANNEL_NAME.fullmatch(value):
        return "#" + value.removeprefix("#")
    raise ValueError('write a channel id like C0123456789 (best), or a name like "#alerts"')


class SlackConfig(BaseModel):
    """Slack by a bot token and a channel (messages are edited in place), or by a webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bot_token: SecretStr | None = Field(
        None,
        description="Bot token (xoxb-...) with the scope chat:write; with channels:history "
        "(groups:history for private channels) a message of unknown fate is never doubled.",
    )
    bot_token_file: Path | None = Field(
        None, description="File that holds the bot token; read anew for every message."
    )
    channel: Annotated[str, AfterValidator(known_channel)] | None = Field(
        None,
        description='Channel to post into, by its id (C0123456789) or its name ("#alerts"; in '
        "quotes, since # begins a comment). Invite the bot to it.",
    )
    webhook_url: SecretStr | None = Field(
        None,
        description="Incoming webhook, the reduced mode: messages cannot be edited, so only what "
        "opens, gets worse or is resolved is told.",
    )
    webhook_url_file: Path | None = Field(
        None, description="File that holds the webhook's address; read anew for every message."
    )
    api_url: Annotated[str, AfterValidator(safe_address)] = Field(
        "https://slack.com/api/", description="Slack's Web API; change it for a proxy."
    )
    timeout: Seconds = Field(
        10.0, le=60, description="How long Slack may take to answer one call, as a whole."
    )

    @model_validator(mode="after")
    def check(self) -> Self:
        """Refuse what does not say one thing; all faults of the section at once."""
        faults = [*self._two_ways(), *self._incomplete()]
        if self.by_token != self.by_webhook:
            faults += self._unfit_secrets()
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def by_token(self) -> bool:
        """Whether this is the bot mode."""
        return self.bot_token is not None or self.bot_token_file is not None

    @property
    def by_webhook(self) -> bool:
        """Whether this is the reduced mode."""
        return self.webhook_url is not None or self.webhook_url_file is not None

    def secret(self) -> SecretStr:
        """The token or the webhook's address as it is now, so that a mended file heals."""
        secret = self.bot_token or self.webhook_url
        for path in (self.bot_token_file, self.webhook_url_file):
            if path is not None:
                secret = read_secret(path)
        value = secret.get_secret_value() if secret else ""
        faults = token_faults(value) if self.by_token else webhook_faults(value)
        if faults:
            raise UnfitSecretError("; ".join(faults))
        return SecretStr(value)

    def _two_ways(self) -> list[str]:
        faults = []
        if self.bot_token is not None and self.bot_token_file is not None:
            faults.append("bot_token and bot_token_file say the same: keep one of them")
        if self.webhook_url is not None and self.webhook_url_file is not None:
            faults.append("webhook_url and webhook_url_file say the same: keep one of them")
        if self.by_token and self.by_webhook:
            faults.append(
                "a bot token and a webhook are two ways to one channel: keep the token, which can "
                "edit messages, or the webhook"
            )
        return faults

    def _incomplete(self) -> list[str]:
        if not self.by_token and not self.by_webhook:
            return [
                "give bot_token (or bot_token_file) and channel, or webhook_url (or "
                "webhook_url_file); leave out `slack` to send nothing"
            ]
        if self.by_token and not self.by_webhook and self.channel is None:
            return [
                "a bot token needs a channel: an id like C0123456789, or a name in quotes like "
                '"#alerts" (without quotes YAML takes it for a comment)'
            ]
        if self.by_webhook and not self.by_token and self.channel is not None:
            return ["a webhook posts into the channel it was made for: remove channel"]
        return []

    def _unfit_secrets(self) -> list[str]:
        try:
            self.secret()
        except UnfitSecretError as unfit:
            return [str(unfit)]
        return []


def token_faults(token: str) -> list[str]:
    """What is wrong with a bot token; never the token."""
    if re.fullmatch(r"xox[be](?:\.xox[bp])?-[\x21-\x7e]+", token):
        return []
    if token.startswith("xapp-"):
        return ["bot_token is an app-level token (xapp-); take the Bot User OAuth Token (xoxb-)"]
    return ["bot_token is no bot token: those begin with xoxb- and hold no blanks"]


def webhook_faults(url: str) -> list[str]:
    """What is wrong with a webhook's address; never the address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ["webhook_url is no address: it begins with https://hooks.slack.com/services/"]
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return ["webhook_url must begin with https://; http is for 127.0.0.1 and localhost"]
    return []


def read_secret(path: Path) -> SecretStr:
    """What the file holds, without blanks and line ends around it."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UnfitSecretError(f"cannot read {path}: {why}") from None
    if not text:
        raise UnfitSecretError(f"{path} is empty: put the secret into it, on one line")
    return SecretStr(text)


class AlertsConfig(BaseModel):
    """Who is told of incidents; without a receiver nothing is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    slack: SlackConfig | None = Field(None, description="Where in Slack; left out: nowhere.")
    min_severity: Severity = Field(
        Severity.WARNING,
        description="The mildest severity that is told: info, warning or critical. An incident "
        "that was told once is told to its end.",
    )
    public_url: Annotated[str, AfterValidator(web_address)] = Field(
        "http://127.0.0.1:8750",
        description="Where people reach Plimsoll's pages; the links in messages begin with it.",
    )
    routing: RoutingConfig | None = Field(
        None, description="Who is told when; left out: everybody, at once."
    )
    alertmanager_file: Path | None = Field(
        None, description="An alertmanager.yml to take the routing from, in place of `routing`."
    )
    deliver: dict[str, Names] = Field(
        {},
        description="For a receiver's name in the routing, those of Plimsoll's receivers that "
        "stand for it; an empty list is nobody.",
    )
    own: OwnConfig = Field(OwnConfig(), description="Troubles of Plimsoll itself.")
    heartbeats: tuple[HeartbeatConfig, ...] = Field((), description="Signs of life.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """The routing leads to receivers that there are."""
        if self.routing is not None and self.alertmanager_file is not None:
            raise ValueError("routing and alertmanager_file say the same: keep one of them")
        routing = self.routes()
        if routing is not None:
            deliveries(routing, self.receiver_names, self.deliver)
        elif self.deliver:
            raise ValueError("deliver says who stands for names in a routing, and there is none")
        names = [one.name for one in self.heartbeats]
        if len(set(names)) < len(names):
            raise ValueError("two heartbeats have the same name")
        return self

    @property
    def receiver_names(self) -> tuple[str, ...]:
        """The names of the receivers that are configured."""
        if self.slack is None:
            return ()
        return ("slack",) if self.slack.by_token else ("slack-webhook",)

    def routes(self) -> RoutingConfig | None:
        """The routing in force, read anew where it is a file; a ValueError says what is wrong."""
        return load(self.alertmanager_file) if self.alertmanager_file else self.routing
