"""Whether Slack will take what is configured, and what to do where it will not.

Nothing is posted unless it is asked for; each finding says what was tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from slack_sdk import WebClient

from alerts.alert import Delivery, Errand, Outcome
from alerts.notifiers.slack import slack
from alerts.notifiers.slack_client import BotClient, attempt
from alerts.slack_config import SlackConfig


class Health(StrEnum):
    """How one thing is."""

    GOOD = "good"
    ADVICE = "advice"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    health: Health
    what: str
    advice: str = ""


REINSTALL = 'add it under "OAuth & Permissions" of the app and install the app again'
ADVICE = {
    "invalid_auth": "the token is not (or no longer) valid: copy the Bot User OAuth Token anew",
    "not_authed": "the token is empty",
    "token_revoked": "the token was revoked: install the app again and copy the new one",
    "token_expired": "the token has expired: switch token rotation off, or copy the new one",
    "account_inactive": "the app was removed from the workspace: install it again",
    "channel_not_found": "no such channel, or a private one the bot is not in: give its id, and "
    "/invite the bot there",
    "not_in_channel": "the bot is not in the channel: /invite it there",
    "is_archived": "the channel is archived: unarchive it, or choose another",
    "missing_scope": f"a scope is missing: {REINSTALL}",
    "not_allowed_token_type": "the wrong kind of token: xoxb- for bot_token, xapp- for app_token",
    "no_service": "the webhook was removed: make a new one",
    "channel_is_archived": "the webhook's channel is archived",
}


def examine(name: str, config: SlackConfig, *, post: bool, at_ms: int) -> Iterator[Finding]:
    """What a person should know about one channel, in the order in which it would go wrong."""
    if not config.by_token:
        yield from lacks()
        if post:
            yield posted(name, config, at_ms)
        return
    told: dict[str, Any] = {}
    answer = ask(config, lambda client: who(client, told))
    if answer.outcome is not Outcome.SENT:
        yield fault("bot_token", answer)
        return
    yield Finding(Health.GOOD, f"bot_token is that of {told['user']} in {told['team']}")
    yield from scopes(config, told["scopes"])
    yield from channel(config, told["scopes"])
    if config.by_socket:
        yield socket(config)
    elif not config.by_request:
        yield Finding(
            Health.ADVICE,
            "messages have no buttons",
            "give app_token, an app-level token with connections:write, for Socket Mode",
        )
    if post:
        yield posted(name, config, at_ms)


def lacks() -> Iterator[Finding]:
    """What a webhook cannot do."""
    yield Finding(Health.GOOD, "webhook_url is an address of a webhook")
    for what in (
        "messages are not edited: each news is a message of its own",
        "there are no threads, charts and buttons",
        "a message of unknown fate is sent again, marked as a possible repeat",
    ):
        yield Finding(Health.ADVICE, what, "a bot token can do that")


def ask(config: SlackConfig, call: Any) -> Delivery:
    """One call with the bot token."""
    return attempt(
        config.secret, lambda token: call(BotClient(token, config.api_url, config.timeout))
    )


def who(client: WebClient, told: dict[str, Any]) -> Delivery:
    """`auth.test`; the scopes come in a header."""
    answer = client.auth_test()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    granted = str(headers.get("x-oauth-scopes", ""))
    told["user"], told["team"] = answer.get("user", "?"), answer.get("team", "?")
    told["scopes"] = {one.strip() for one in granted.split(",") if one.strip()}
    return Delivery(outcome=Outcome.SENT)


def scopes(config: SlackConfig, granted: set[str]) -> Iterator[Finding]:
    """Each scope that is used: what lacks without it."""
    if not granted:
        yield Finding(Health.ADVICE, "Slack does not say which scopes the token has")
        return
    if "chat:write" in granted:
        yield Finding(Health.GOOD, "scope chat:write")
    else:
        yield Finding(Health.FAULT, "scope chat:write is missing", REINSTALL)
    if granted & {"channels:history", "groups:history"}:
        yield Finding(Health.GOOD, "a scope to look for messages of unknown fate")
    else:
        told = "channels:history or groups:history is missing: a message may be doubled"
        yield Finding(Health.ADVICE, told, REINSTALL)
    if config.manner.charts and "files:write" not in granted:
        told = "scope files:write is missing: there are no charts"
        yield Finding(Health.ADVICE, told, f"{REINSTALL}, or set charts: false")
    elif config.manner.charts:
        yield Finding(Health.GOOD, "scope files:write")


def channel(config: SlackConfig, granted: set[str]) -> Iterator[Finding]:
    """Whether the channel can be looked into; by its name that cannot be found out."""
    wanted = config.channel or ""
    if wanted.startswith("#"):
        told = f"channel {wanted} is given by its name, which can change"
        yield Finding(Health.ADVICE, told, "give its id, from the channel's details in Slack")
        return
    if not granted & {"channels:history", "groups:history"}:
        return

    def look(client: WebClient) -> Delivery:
        client.conversations_history(channel=wanted, limit=1)
        return Delivery(outcome=Outcome.SENT)

    answer = ask(config, look)
    if answer.outcome is Outcome.SENT:
        yield Finding(Health.GOOD, f"channel {wanted} can be read")
    else:
        yield fault(f"channel {wanted}", answer)


def socket(config: SlackConfig) -> Finding:
    """Whether Socket Mode would give a connection."""

    def call(token: str) -> Delivery:
        BotClient(token, config.api_url, config.timeout).apps_connections_open(app_token=token)
        return Delivery(outcome=Outcome.SENT)

    answer = attempt(config.listens_with, call)
    if answer.outcome is Outcome.SENT:
        return Finding(Health.GOOD, "app_token opens a connection for the buttons")
    found = fault("app_token", answer)
    advice = "switch Socket Mode on and give the app-level token connections:write"
    return Finding(Health.FAULT, found.what, found.advice or advice)


def posted(name: str, config: SlackConfig, at_ms: int) -> Finding:
    """Whether a message arrives."""
    payload = {"text": "Plimsoll can post here.", "blocks": [], "attachments": []}
    answer = slack(name, config).post(payload, Errand(key=f"{name}:test", at_ms=at_ms))
    if answer.outcome is Outcome.SENT:
        return Finding(Health.GOOD, "a message was posted")
    return fault("posting", answer)


def fault(what: str, answer: Delivery) -> Finding:
    """What went wrong, in Slack's word, and what to do."""
    detail = f"{answer.outcome.value} ({answer.detail})" if answer.detail else answer.outcome.value
    return Finding(Health.FAULT, f"{what}: {detail}", ADVICE.get(answer.detail, ""))
