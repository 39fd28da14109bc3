"""What Slack's answers mean: its codes, its statuses, its patience."""

from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookResponse

from alerts.alert import Delivery, Outcome, Reference
from alerts.notifiers.outbound import retry_after
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
GONE = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"}
)
RATE_LIMITS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# Slack says of these that some of the work may have been done.
HALF_DONE = frozenset({"internal_error", "fatal_error"})
BLINDING = frozenset({"missing_scope", "not_allowed_token_type", "no_permission"}) | CHANNEL_FAULTS


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
