"""The section `server` of plimsoll.yaml: where Plimsoll listens, and for whom."""

from ipaddress import ip_address

from pydantic import BaseModel, ConfigDict, Field, FilePath, field_validator

from storage.duration import Seconds


class TlsConfig(BaseModel):
    """Plimsoll speaks https itself; behind a proxy that does, leave it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: FilePath = Field(description="Certificate with its chain, PEM.")
    key: FilePath = Field(description="Its private key, PEM; not protected by a password.")


class ServerConfig(BaseModel):
    """Where Plimsoll listens. Beyond this machine it does so only once there is a token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. Beyond loopback only when a token exists "
        "(`plimsoll token create`).",
    )
    port: int = Field(default=8750, ge=1, le=65535, description="Port to listen on.")
    tls: TlsConfig | None = Field(
        None, description="Certificate and key, to speak https without a proxy in front."
    )
    session: Seconds = Field(
        12 * 3600.0, ge=60, le=30 * 86_400, description="How long a browser stays signed in."
    )
    requests_per_second: float = Field(
        100.0,
        gt=0,
        description="How many requests one token may send on average; ten seconds' worth at once.",
    )

    @field_validator("host")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value != "localhost":
            try:
                ip_address(value.strip("[]"))
            except ValueError:
                raise ValueError(
                    f"{value} is no address; write 127.0.0.1, 0.0.0.0 for all, or that of a network"
                ) from None
        return value

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host == "localhost" or ip_address(self.host.strip("[]")).is_loopback

    @property
    def url(self) -> str:
        """The address of the first page, from this machine."""
        host = self.host
        if host != "localhost" and ip_address(host.strip("[]")).is_unspecified:
            host = "[::1]" if ":" in host else "127.0.0.1"
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}"
