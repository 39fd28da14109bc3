"""What Plimsoll tells about itself, and the signs of life it gives."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from storage.duration import Seconds

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class OwnConfig(BaseModel):
    """How long something of Plimsoll itself may be wrong before it is told like an incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="Whether troubles of Plimsoll itself are told.")
    collector_down: Seconds = Field(600.0, description="A target gives nothing for so long.")
    detector_late: Seconds = Field(300.0, description="The last tick is late by so long.")
    outbox_stuck: Seconds = Field(600.0, description="A message waits for so long.")
    receiver_broken: Seconds = Field(60.0, description="A receiver refuses everything for so long.")


class HeartbeatConfig(BaseModel):
    """A sign of life: whoever waits for it at that address raises the alarm when it stays out."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=100, description="What metrics and logs call it.")
    url: SecretStr | None = Field(
        None, description="Address that is sent a POST; it often holds a key, so it is a secret."
    )
    url_file: Path | None = Field(
        None, description="File that holds the address; read anew every time."
    )
    interval: Seconds = Field(60.0, ge=10, description="How often.")
    timeout: Seconds = Field(10.0, le=60, description="How long the answer may take.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """Exactly one address, and one that a key may be sent to."""
        if (self.url is None) is (self.url_file is None):
            raise ValueError("give url, or url_file, which holds it")
        self.address()
        return self

    def address(self) -> str:
        """The address as it is now; a ValueError never holds it."""
        if self.url_file is not None:
            try:
                address = self.url_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise ValueError(f"cannot read {self.url_file}") from None
        else:
            address = self.url.get_secret_value() if self.url else ""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must begin with https:// (http:// on this machine only)")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("url must begin with https:// (http:// on this machine only)")
        return address
