"""One call to a web address that is not Slack, and what its answer means."""

import urllib.request
from collections.abc import Callable

from alerts.alert import Delivery, Outcome
from alerts.notifiers.outbound import Answer, NotConnectedError, retry_after, send
from alerts.redact import redacted
from alerts.secret import UnfitSecretError

AGENT = "Plimsoll"


def attempt(
    made: Callable[[], urllib.request.Request], timeout_seconds: float, *, unclear: Outcome
) -> Delivery:
    """Make the request and send it once; `unclear` is what an answer that never came means.

    The detail never holds the address, which may hold a token.
    """
    try:
        request = made()
    except UnfitSecretError as unfit:
        return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=redacted(str(unfit)))
    try:
        return meaning(send(request, timeout_seconds))
    except NotConnectedError as error:
        return Delivery(outcome=Outcome.UNREACHABLE, detail=redacted(str(error)))
    except Exception as error:
        # Whatever else happens, happens after the request was written.
        return Delivery(outcome=unclear, detail=type(error).__name__)


def meaning(answer: Answer) -> Delivery:
    """The outcome of a status: which of them are worth another try, and which are for a person."""
    detail = f"HTTP {answer.status}"
    match answer.status:
        case 429:
            wait = retry_after(dict(answer.headers.items()))
            return Delivery(outcome=Outcome.RATE_LIMITED, detail=detail, retry_after_seconds=wait)
        case 408 | 425:
            return Delivery(outcome=Outcome.SERVER_ERROR, detail=detail)
        case 400 | 413 | 422:
            return Delivery(outcome=Outcome.MESSAGE_REFUSED, detail=detail)
        case status if status >= 500:
            return Delivery(outcome=Outcome.SERVER_ERROR, detail=detail)
        case status if status >= 300:
            return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=detail)
        case _:
            return Delivery(outcome=Outcome.SENT)
