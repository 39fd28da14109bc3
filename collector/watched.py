"""What every configured thing that is collected from has: a name, a pace, labels, what it needs."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from collector.source import TARGET
from storage.duration import Seconds

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/@\[\]]+)):(?P<port>[0-9]{1,5})"
)


class Watched(BaseModel):
    """A thing that is collected from again and again."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(description="What the target is called; becomes the label `target`.")
    interval: Seconds | None = Field(
        None, description="How often it is collected, if not as `collector.interval` says."
    )
    timeout: Seconds | None = Field(
        None, description="How long one collection may take, if not as `collector.timeout` says."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels that all series of this target get."
    )
    depends_on: tuple[str, ...] = Field(
        (),
        description="Targets and services that it calls, for the grouping of incidents; the same "
        "as its entry under `dependencies.needs`.",
    )

    @field_validator("name")
    @classmethod
    def _name_is_usable(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                "must be 1 to 100 letters, digits or any of _ . : - and begin with a letter or "
                "digit"
            )
        return value

    @field_validator("labels")
    @classmethod
    def _labels_are_usable(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name == TARGET:
                raise ValueError(f"{TARGET!r} is set by Plimsoll to the target's name")
            if not _LABEL.fullmatch(name) or name.startswith("__"):
                raise ValueError(
                    f"{name!r} is no label name: letters, digits and _, not beginning with a digit "
                    "or with __"
                )
            if not text:
                raise ValueError(f"the value of {name!r} is empty; leave the label out instead")
        return value


def host_and_port(value: str) -> str:
    """A host and its port; the message never repeats what may be a password."""
    split_address(value)
    return value


def split_address(value: str) -> tuple[str, int]:
    """`cache.internal:6379` or `[::1]:6379` in two parts; a ValueError says how it is written."""
    found = _ADDRESS.fullmatch(value)
    if found is None or not 1 <= int(found["port"]) <= 65_535:
        raise ValueError("is no address; write it like cache.internal:6379, without credentials")
    return found["six"] or found["host"], int(found["port"])


def one_password(password: SecretStr | None, password_file: Path | None) -> None:
    """A ValueError when there are two of them."""
    if password is not None and password_file is not None:
        raise ValueError("password and password_file are both given; keep one")
