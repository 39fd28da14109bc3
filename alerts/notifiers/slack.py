"""Slack through slack-sdk: by bot token (messages are edited) or by incoming webhook.

The only file that knows slack-sdk. Each call is tried once: the SDK's own retries are switched
off, because one of them after a dropped connection could post twice. Whatever happens comes back
as an outcome.
"""

import logging
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from alerts.alert import Delivery, Marker, Outcome, Receiver, Reference
from alerts.config import SlackConfig, UnfitSecretError
from alerts.message import EVENT_TYPE
from alerts.notifiers import Notifier
from alerts.notifiers.outbound import NotConnectedError, send
from alerts.redact import redacted

# https://docs.slack.dev/reference/methods/chat.postMessage#errors
RECEIVER_FAULTS = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "access_denied",
        "ekm_access_denied",
        "org_login_required",
        "team_access_not_granted",
        "two_factor_setup_required",
        "enterprise_is_restricted",
        "user_is_restricted",
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "is_inactive",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "restricted_action_non_threadable_channel",
        "messages_tab_disabled",
        "method_deprecated",
        "deprecated_endpoint",
        "unknown_method",
    }
)
CHANNEL_FAULTS = frozenset({"channel_not_found", "not_in_channel", "is_archived", "is_inactive"})
MESSAGE_FAULTS = frozenset(
    {
        "msg_too_long",
        "msg_blocks_too_long",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_attachments",
        "too_many_attachments",
        "attachment_payload_limit_exceeded",
        "no_text",
        "invalid_arguments",
        "invalid_arg_name",
        "invalid_array_arg",
        "invalid_charset",
        "invalid_form_data",
        "invalid_json",
        "json_not_object",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "metadata_too_large",
    }
)
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
RATE_LIMITS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# Slack says of these that some of the work may have been done.
HALF_DONE = frozenset({"internal_error", "fatal_error"})
BLINDING = frozenset({"missing_scope", "not_allowed_token_type", "no_permission"}) | CHANNEL_FAULTS

PAGE = 200
MOST_PAGES = 10
# Slack's clock stamps messages, ours the attempts.
CLOCK_SKEW_MS = 300_000


def slack(config: SlackConfig) -> Notifier:
    """The notifier for a section `slack`."""
    return SlackBot(config) if config.by_token else SlackWebhook(config)


class SlackBot:
    """One channel, by bot token."""

    receiver = Receiver("slack", edits=True)

    def __init__(self, config: SlackConfig) -> None:
        self._config = config

    def post(self, payload: Mapping[str, Any]) -> Delivery:
        """`chat.postMessage`; a server error leaves its fate unknown."""
        channel = self._config.channel or ""
        return self._call(lambda c: sent(c.chat_postMessage(channel=channel, **payload).data))

    def update(self, reference: Reference, payload: Mapping[str, Any]) -> Delivery:
        """`chat.update`; a message that cannot be edited any more is gone."""
        delivery = self._call(
            lambda client: sent(
                client.chat_update(
                    channel=reference.channel,
                    ts=reference.ts,
                    text=payload["text"],
                    blocks=payload["blocks"],
                    attachments=payload["attachments"],
                    metadata=payload["metadata"],
                ).data
            )
        )
        elsewhere = self._config.channel not in (reference.channel, None)
        if delivery.detail in CHANNEL_FAULTS and elsewhere:
            return Delivery(outcome=Outcome.GONE, detail=delivery.detail)
        return delivery

    def find(self, marker: Marker) -> Delivery:
        """Look through the channel's history for our metadata; blind where that is not allowed."""
        channel = marker.channel or self._config.channel or ""
        if channel.startswith("#"):
            return Delivery(outcome=Outcome.BLIND, detail="the channel's id is not known")
        delivery = self._call(lambda client: search(client, channel, marker))
        if delivery.outcome is Outcome.RECEIVER_BROKEN and delivery.detail in BLINDING:
            return Delivery(outcome=Outcome.BLIND, detail=delivery.detail)
        return delivery

    def _call(self, ask: Callable[[WebClient], Delivery]) -> Delivery:
        def call(token: str) -> Delivery:
            return ask(BotClient(token, self._config.api_url, self._config.timeout))

        return attempt(self._config, call)


class SlackWebhook:
    """One channel, by incoming webhook: it says `ok` and nothing else, so nothing can be edited."""

    receiver = Receiver("slack-webhook", edits=False)

    def __init__(self, config: SlackConfig) -> None:
        self._config = config

    def post(self, payload: Mapping[str, Any]) -> Delivery:
        """Post once; metadata is left out, webhooks do not take it."""
        body = {name: part for name, part in payload.items() if name != "metadata"}

        def call(url: str) -> Delivery:
            return webhook_answer(HookClient(url, self._config.timeout).send_dict(body))

        return attempt(self._config, call)

    def update(self, reference: Reference, payload: Mapping[str, Any]) -> Delivery:
        """Say it anew: a webhook cannot edit."""
        return self.post(payload)

    def find(self, marker: Marker) -> Delivery:
        """A webhook cannot look."""
        return Delivery(outcome=Outcome.BLIND, detail="a webhook cannot look into the channel")


def silent() -> logging.Logger:
    """A logger that belongs to nobody: the SDK writes webhook addresses at level debug."""
    logger = logging.Logger("slack", logging.CRITICAL + 1)
    logger.propagate = False
    return logger


class BotClient(WebClient):
    """slack-sdk's client over our own line out; no retries."""

    def __init__(self, token: str, api_url: str, timeout_seconds: float) -> None:
        super().__init__(token, base_url=api_url, logger=silent(), retry_handlers=[])
        self._seconds = timeout_seconds

    def _perform_urllib_http_request_internal(
        self, url: str, req: urllib.request.Request
    ) -> dict[str, Any]:
        answer = send(req, self._seconds)
        headers = {name.title(): value for name, value in answer.headers.items()}
        return {"status": answer.status, "headers": headers, "body": answer.body}


class HookClient(WebhookClient):
    """slack-sdk's client over our own line out; no retries."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        super().__init__(url, logger=silent(), retry_handlers=[])
        self._seconds = timeout_seconds

    def _perform_http_request_internal(
        self, url: str, req: urllib.request.Request
    ) -> WebhookResponse:
        answer = send(req, self._seconds)
        headers = {name.title(): value for name, value in answer.headers.items()}
        return WebhookResponse(url="", status_code=answer.status, body=answer.body, headers=headers)


def attempt(config: SlackConfig, call: Callable[[str], Delivery]) -> Delivery:
    """One call with the secret as it is now; every way it can fail has its outcome."""
    try:
        return call(config.secret().get_secret_value())
    except UnfitSecretError as unfit:
        return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=redacted(str(unfit)))
    except SlackApiError as error:
        return api_failure(error)
    except NotConnectedError as error:
        return Delivery(outcome=Outcome.UNREACHABLE, detail=redacted(str(error)))
    except Exception as error:
        # Whatever else happens, in the SDK or on the way, happens after the request was written.
        detail = redacted(f"{type(error).__name__}: {error}")
        return Delivery(outcome=Outcome.UNKNOWN, detail=detail)


def sent(data: Any) -> Delivery:
    """An `ok: true` with the place of the message; the channel comes back as an id."""
    place = Reference(str(data.get("channel", "")), str(data.get("ts", "")))
    return Delivery(outcome=Outcome.SENT, reference=place if place.ts else None)


def api_failure(error: SlackApiError) -> Delivery:
    """The outcome of an answer that is not `ok: true`."""
    response = error.response
    status, data = response.status_code, response.data
    code = data.get("error", "") if isinstance(data, dict) else ""
    # Slack's codes are words; anything else is the SDK telling of an answer that is not JSON.
    known = isinstance(code, str) and code.replace("_", "").isalnum() and len(code) < 80
    detail = redacted(code) if known else f"HTTP {status}, and the answer is not Slack's"
    if status == 429 or code in RATE_LIMITS:
        return Delivery(
            outcome=Outcome.RATE_LIMITED,
            detail=detail,
            retry_after_seconds=retry_after(response.headers),
        )
    if status >= 500:
        return Delivery(outcome=Outcome.UNKNOWN, detail=f"HTTP {status}")
    if code in GONE:
        return Delivery(outcome=Outcome.GONE, detail=detail)
    if code in RECEIVER_FAULTS:
        return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=detail)
    if code in MESSAGE_FAULTS:
        return Delivery(outcome=Outcome.MESSAGE_REFUSED, detail=detail)
    if known and code not in HALF_DONE:
        return Delivery(outcome=Outcome.REFUSED, detail=detail)
    if status >= 300:
        return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=detail)
    return Delivery(outcome=Outcome.UNKNOWN, detail=detail)


def search(client: WebClient, channel: str, marker: Marker) -> Delivery:
    """The newest message with the marker's incident since its first attempt."""
    oldest = f"{max(0, marker.since_ms - CLOCK_SKEW_MS) / 1000:.6f}"
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = client.conversations_history(
            channel=channel,
            oldest=oldest,
            limit=PAGE,
            include_all_metadata=True,
            cursor=cursor,
        )
        for message in page.get("messages") or []:
            metadata = message.get("metadata") or {}
            told = metadata.get("event_payload") or {}
            ours = metadata.get("event_type") == EVENT_TYPE
            if ours and told.get("incident") == marker.incident_id:
                place = Reference(channel, str(message["ts"]))
                return Delivery(outcome=Outcome.FOUND, reference=place, version=told.get("version"))
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return Delivery(outcome=Outcome.ABSENT)
    return Delivery(outcome=Outcome.BLIND, detail=f"more than {PAGE * MOST_PAGES} messages since")


def webhook_answer(answer: WebhookResponse) -> Delivery:
    """The outcome of a webhook's answer; Slack says `ok`, and look-alikes say it otherwise."""
    status = answer.status_code
    body = answer.body.strip()
    detail = redacted(body) if body.replace("_", "").isalnum() else f"HTTP {status}"
    if status == 429:
        return Delivery(
            outcome=Outcome.RATE_LIMITED,
            detail=detail,
            retry_after_seconds=retry_after(answer.headers),
        )
    if status >= 500:
        return Delivery(outcome=Outcome.SERVER_ERROR, detail=detail)
    if status == 400:
        return Delivery(outcome=Outcome.MESSAGE_REFUSED, detail=detail)
    if status >= 300:
        return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=detail)
    if body.startswith("<"):  # the page of a proxy or a portal, not of a webhook
        return Delivery(outcome=Outcome.UNKNOWN, detail="a web page came back")
    return Delivery(outcome=Outcome.SENT)


def retry_after(headers: Mapping[str, Any]) -> float | None:
    """The seconds of Retry-After; None when there are none that can be read."""
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), None)
    try:
        return float(value[0] if isinstance(value, list) else str(value))
    except ValueError:
        return None
