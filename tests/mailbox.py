"""A mail server to test against: aiosmtpd, with the faults that servers have."""

import asyncio
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers import free_port

USER, PASSWORD = "plimsoll", "a secret of mail"


class Mailbox:
    """The server and what it took; `answer` replaces what it says to a whole mail.

    With a certificate it speaks STARTTLS and wants a login, without it neither.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 taken"
        self.unknown: set[str] = set()
        self.hang_up = False
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=free_port(),
            tls_context=context,
            require_starttls=context is not None,
            auth_required=context is not None,
            authenticator=self._log_in if context else None,
        )

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        server = self._controller.server
        assert server is not None
        port: int = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return port

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        """Take an address, unless nobody is known by it."""
        if address in self.unknown:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail, or not; or take it and hang up."""
        assert isinstance(envelope.content, bytes)
        if self.answer.startswith("250"):
            made = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(made, EmailMessage)
            self.mails.append(made)
        if self.hang_up:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.answer

    def _log_in(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        good = isinstance(given, LoginPassword) and given.password == PASSWORD.encode()
        return AuthResult(success=good, handled=False)
