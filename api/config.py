"""The section `server` of plimsoll.yaml: where Plimsoll listens."""

from ipaddress import ip_address

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ServerConfig(BaseModel):
    """Where Plimsoll listens. Without accounts it listens on this machine only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on; loopback only.")
    port: int = Field(default=8750, ge=1, le=65535, description="Port to listen on.")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, value: str) -> str:
        try:
            loopback = value == "localhost" or ip_address(value.strip("[]")).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise ValueError(
                f"{value} is not loopback, and without accounts anybody there could read and "
                "write; listen on 127.0.0.1 and put a proxy that asks for a password in front"
            )
        return value

    @property
    def url(self) -> str:
        """The address of the first page."""
        return f"http://{self.host}:{self.port}"
