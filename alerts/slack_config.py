"""The section `alerts.slack`: one channel, by bot token or by webhook."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from alerts.alert import Manner, Reason
from alerts.secret import (
    LOOPBACK,
    UnfitSecretError,
    both_given,
    one_secret,
    read_secret,
    safe_address,
)
from storage.duration import Seconds

_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,}")
_CHANNEL_NAME = re.compile(r"#?[^\sA-Z#@<>,:;/|]{1,80}")
Name = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\z")]


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

    name: Name | None = Field(
        None,
        description="What routes call it; `slack` where left out, `slack-webhook` for a webhook.",
    )
    app_token: SecretStr | None = Field(
        None,
        description="App-level token (xapp-...) with the scope connections:write: messages get "
        "buttons, and presses come in over Socket Mode, without a public address.",
    )
    app_token_file: Path | None = Field(None, description="File that holds the app-level token.")
    signing_secret: SecretStr | None = Field(
        None,
        description="Signing secret of the app: messages get buttons, and presses come in as "
        "signed requests to `/slack/actions`.",
    )
    signing_secret_file: Path | None = Field(
        None, description="File that holds the signing secret; read anew for every press."
    )
    threads: bool = Field(
        True,
        description="Tell in the thread of a message what changed; without, only the message "
        "itself changes, and charts are left out.",
    )
    charts: bool = Field(
        True,
        description="Upload a chart into the thread of what opens or gets worse; needs the scope "
        "files:write.",
    )
    broadcast: tuple[
        Literal["worse", "resolved", "reopened", "confirmed", "repeated", "escalated"], ...
    ] = Field(
        ("reopened", "confirmed", "repeated", "escalated"),
        description="Which thread replies are shown in the channel too: worse, resolved, reopened, "
        "confirmed, repeated, escalated.",
    )
    same_thread_for: Seconds = Field(
        86400.0,
        description="What comes back within this time goes on in its thread; later it is a new "
        "message that leads to the old one.",
    )
    digest_from: int = Field(
        6,
        ge=0,
        description="From so many new messages waiting at once on, one message lists them all; "
        "0 never.",
    )
    messages_per_minute: int = Field(
        60,
        ge=1,
        le=100_000,
        description="How fast to write into the channel; Slack takes about one a second.",
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

    @property
    def called(self) -> str:
        """The receiver's name."""
        return self.name or ("slack" if self.by_token else "slack-webhook")

    @property
    def by_socket(self) -> bool:
        """Whether presses come in over Socket Mode."""
        return self.app_token is not None or self.app_token_file is not None

    @property
    def by_request(self) -> bool:
        """Whether presses come in as signed requests."""
        return self.signing_secret is not None or self.signing_secret_file is not None

    @property
    def manner(self) -> Manner:
        """How the channel is told."""
        pace_ms = 60_000 // self.messages_per_minute
        if not self.by_token:
            lane = f"slack-webhook:{self.called}"
            return Manner(lane=lane, pace_ms=pace_ms, digest_from=self.digest_from)
        return Manner(
            lane=f"slack:{self.channel}",
            pace_ms=pace_ms,
            threads=self.threads,
            charts=self.threads and self.charts,
            buttons=self.by_socket or self.by_request,
            broadcast=frozenset(Reason(one) for one in self.broadcast),
            same_thread_ms=round(self.same_thread_for * 1000),
            digest_from=self.digest_from,
        )

    def signed_with(self) -> SecretStr:
        """The signing secret as it is now."""
        found = one_secret(self.signing_secret, self.signing_secret_file)
        if found is None:
            raise UnfitSecretError("no signing secret is configured")
        return found

    def listens_with(self) -> SecretStr:
        """The app-level token as it is now."""
        found = one_secret(self.app_token, self.app_token_file)
        if found is None or not found.get_secret_value().startswith("xapp-"):
            raise UnfitSecretError("app_token is no app-level token: those begin with xapp-")
        return found

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
        faults = [
            *both_given("bot_token", self.bot_token, self.bot_token_file),
            *both_given("webhook_url", self.webhook_url, self.webhook_url_file),
            *both_given("app_token", self.app_token, self.app_token_file),
            *both_given("signing_secret", self.signing_secret, self.signing_secret_file),
        ]
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
        if self.by_webhook and (self.by_socket or self.by_request):
            return ["a webhook has no buttons: remove app_token and signing_secret, or take a bot"]
        return []

    def _unfit_secrets(self) -> list[str]:
        reads = [self.secret]
        reads += [self.listens_with] if self.by_socket else []
        reads += [self.signed_with] if self.by_request else []
        return [told for told in map(unfit, reads) if told]


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


def unfit(read: Callable[[], SecretStr | None]) -> str:
    """Why a secret cannot be used; empty when it can."""
    try:
        read()
    except UnfitSecretError as error:
        return str(error)
    return ""
