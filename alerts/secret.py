"""Secrets and the addresses they may go to: read anew for every use, never shown."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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


def one_secret(value: SecretStr | None, file: Path | None) -> SecretStr | None:
    """The secret as it is now, from the value or its file; None where neither is given."""
    return read_secret(file) if file is not None else value


def both_given(name: str, value: SecretStr | None, file: Path | None) -> list[str]:
    """The fault of a secret that is given twice."""
    both = value is not None and file is not None
    return [f"{name} and {name}_file say the same: keep one of them"] if both else []
