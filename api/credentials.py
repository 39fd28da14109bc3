"""What a command sends along when it asks a running Plimsoll: its token, and whom it trusts."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from api.config import ServerConfig

TOKEN_VARIABLE, FILE_VARIABLE = "PLIMSOLL_TOKEN", "PLIMSOLL_TOKEN_FILE"


HOW = (
    "Commands take it from the environment: "
    f"{TOKEN_VARIABLE}, or the file that {FILE_VARIABLE} names."
)


class CredentialsError(Exception):
    """The file with the token cannot be read; the message names it."""


def token(environment: Mapping[str, str] = os.environ) -> str:
    """The token of the environment, or that of the file it names; empty for none.

    Never an option of a command: every process of the machine may read those.
    """
    file = environment.get(FILE_VARIABLE, "")
    if not file:
        return environment.get(TOKEN_VARIABLE, "").strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CredentialsError(f"{FILE_VARIABLE} names {file}: {why}") from None


def headers() -> dict[str, str]:
    """The header that carries the token; none where there is no token."""
    known = token()
    return {"authorization": f"Bearer {known}"} if known else {}


def trusted(server: ServerConfig, url: str | None = None) -> ssl.SSLContext:
    """Whom to trust: at the configured address its own certificate, elsewhere the system's."""
    context = ssl.create_default_context()
    if url is None and server.tls is not None:
        context.load_verify_locations(server.tls.certificate)
        # It is this very certificate that is meant, whichever name it carries.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
    return context
