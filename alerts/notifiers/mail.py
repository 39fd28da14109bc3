"""E-mail over SMTP: one mail for each news, in one thread for each incident.

A mail client threads by `References`, so all mails about an incident name the same message, which
none of them is. Only what happens after the text was sent leaves the fate of a mail unknown.
"""

import hashlib
import smtplib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from alerts.alert import Delivery, Errand, Marker, Outcome, Receiver, Reference
from alerts.notifiers.outbound import Line, NotConnectedError
from alerts.payload import REPEAT
from alerts.receivers import EmailConfig
from alerts.redact import redacted
from alerts.secret import UnfitSecretError


class Mail:
    """Sends mails through one server."""

    def __init__(self, name: str, config: EmailConfig) -> None:
        self._config = config
        self.receiver = Receiver(name, edits=False, manner=config.manner)

    def post(self, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Send one mail to all; who is refused is told in the detail."""
        progress = Progress()
        try:
            with Line(self._config.timeout) as line:
                refused = self._send(line, written(payload, errand, self._config), progress)
        except UnfitSecretError as unfit:
            return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=redacted(str(unfit)))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return failure(error, progress)
        detail = f"refused: {', '.join(sorted(refused))}" if refused else ""
        return Delivery(outcome=Outcome.SENT, detail=redacted(detail))

    def update(self, reference: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Send another: a mail cannot be changed."""
        return self.post(payload, errand)

    def find(self, marker: Marker) -> Delivery:
        """Nobody can look into a mailbox."""
        return Delivery(outcome=Outcome.BLIND, detail="a mailbox cannot be looked into")

    def _send(self, line: Line, mail: EmailMessage, progress: "Progress") -> dict[str, Any]:
        config, context = self._config, ssl.create_default_context()
        password = config.logs_in_with()
        made = (
            smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout, context=context)
            if config.tls == "implicit"
            else smtplib.SMTP(config.host, config.port, timeout=config.timeout)
        )
        with made as server:
            line.holds(connected(server))
            if config.tls == "starttls":
                server.starttls(context=context)
                line.holds(connected(server))
            if password is not None:
                server.login(config.user, password.get_secret_value())
            progress.ready = True
            refused: dict[str, Any] = server.send_message(mail)
            progress.accepted = True
            return refused


class Progress:
    """How far a mail got: what fails after it was accepted is no failure."""

    ready = False
    accepted = False


def connected(server: smtplib.SMTP) -> Any:
    """The socket of a server that is connected."""
    if server.sock is None:
        raise NotConnectedError("the connection was closed")
    return server.sock


def written(payload: Mapping[str, Any], errand: Errand, config: EmailConfig) -> EmailMessage:
    """The mail; its id is the same however often it is tried, so that servers can drop it."""
    domain = config.sender.partition("@")[2]
    incident = payload["metadata"]["event_payload"]["incident"]
    mail = EmailMessage()
    mail["Subject"] = payload["subject"]
    mail["From"] = config.sender
    mail["To"] = ", ".join(config.to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(errand.at_ms / 1000, UTC))
    mail["Message-ID"] = f"<{short(errand.key)}@{domain}>"
    mail["References"] = f"<{short(incident)}.incident@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Plimsoll-Delivery"] = short(errand.key)
    if payload["text"].endswith(REPEAT):
        mail["X-Plimsoll-Repeat"] = "yes"
    mail.set_content(payload["text"])
    return mail


def short(text: str) -> str:
    """A name of letters and digits for any text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def failure(error: Exception, progress: Progress) -> Delivery:
    """What became of a mail that was not simply taken."""
    if progress.accepted:  # only saying goodbye went wrong
        return Delivery(outcome=Outcome.SENT)
    detail = redacted(f"{type(error).__name__}: {error}")
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = {code for code, _ in error.recipients.values()}
            detail = f"all addresses are refused: {sorted(codes)}"
            passing = all(400 <= code < 500 for code in codes)
            return Delivery(
                outcome=Outcome.REFUSED if passing else Outcome.RECEIVER_BROKEN, detail=detail
            )
        case smtplib.SMTPAuthenticationError() | smtplib.SMTPNotSupportedError():
            return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=type(error).__name__)
        case ssl.SSLCertVerificationError() if not progress.ready:
            return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=detail)
        case smtplib.SMTPDataError() if error.smtp_code >= 500:
            return Delivery(outcome=Outcome.MESSAGE_REFUSED, detail=f"SMTP {error.smtp_code}")
        case smtplib.SMTPResponseException() if error.smtp_code >= 500:
            return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail=f"SMTP {error.smtp_code}")
        case smtplib.SMTPResponseException() if error.smtp_code >= 400:
            return Delivery(outcome=Outcome.SERVER_ERROR, detail=f"SMTP {error.smtp_code}")
        case _ if not progress.ready:
            return Delivery(outcome=Outcome.UNREACHABLE, detail=detail)
        case _:
            return Delivery(outcome=Outcome.UNKNOWN, detail=detail)
