"""slack-sdk over our own line out: each call is tried once, and what went wrong is an outcome.

The SDK's own retries are switched off, because one of them after a dropped connection could post
twice.
"""

import logging
import urllib.request
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from alerts.alert import Delivery, Outcome
from alerts.notifiers.outbound import NotConnectedError, send
from alerts.notifiers.slack_answers import api_failure
from alerts.redact import redacted
from alerts.secret import UnfitSecretError


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


def attempt(secret: Callable[[], SecretStr], call: Callable[[str], Delivery]) -> Delivery:
    """One call with the secret as it is now; every way it can fail has its outcome."""
    try:
        return call(secret().get_secret_value())
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
