"""The section `server` of plimsoll.yaml: where Plimsoll listens, and for whom."""

import re
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    field_validator,
    model_validator,
)

from alerts.secret import UnfitSecretError, both_given, one_secret, safe_address
from api.access.token import Scope
from storage.duration import Seconds


class TlsConfig(BaseModel):
    """Plimsoll speaks https itself; behind a proxy that does, leave it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: FilePath = Field(description="Certificate with its chain, PEM.")
    key: FilePath = Field(description="Its private key, PEM; not protected by a password.")


class OidcConfig(BaseModel):
    """People sign in through an OpenID Connect provider; programs go on using tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    issuer: Annotated[str, AfterValidator(safe_address)] = Field(
        description="Address of the provider, as it names itself; its discovery document is below."
    )
    client_id: str = Field(min_length=1, description="What the provider calls Plimsoll.")
    client_secret: SecretStr | None = Field(
        None, description="Secret of the client; left out for a public one, which PKCE protects."
    )
    client_secret_file: Path | None = Field(
        None, description="File that holds the secret; read anew for every sign-in."
    )
    called: str = Field(
        "single sign-on", min_length=1, max_length=60, description="What the link says."
    )
    request_scopes: tuple[str, ...] = Field(
        ("openid", "email", "profile"), description="What the provider is asked for."
    )
    groups_claim: str = Field(
        "groups", min_length=1, description="The claim of the ID token that lists groups."
    )
    groups: dict[str, tuple[Scope, ...]] = Field(
        {}, description="For a group, what its members may do."
    )
    emails: dict[str, tuple[Scope, ...]] = Field(
        {},
        description="For an e-mail address that the provider has verified, or `*@domain`, what "
        "whoever has it may do.",
    )
    timeout: Seconds = Field(10.0, gt=0, le=60, description="How long one call may take.")

    @field_validator("emails")
    @classmethod
    def _addresses(cls, value: dict[str, tuple[Scope, ...]]) -> dict[str, tuple[Scope, ...]]:
        for one in value:
            if not re.fullmatch(r"(\*|[^\s@*]+)@[^\s@*]+", one):
                raise ValueError(f"{one!r} is no address: write ada@example.com or *@example.com")
        return {one.lower(): scopes for one, scopes in value.items()}

    @model_validator(mode="after")
    def check(self) -> Self:
        """Somebody may come in, and the secret can be read."""
        faults = both_given("client_secret", self.client_secret, self.client_secret_file)
        if not self.groups and not self.emails:
            faults.append("nobody could sign in: give groups, or emails, with their scopes")
        if "openid" not in self.request_scopes:
            faults.append("request_scopes must hold openid")
        if find_spec("authlib") is None:
            faults.append("needs libraries that are not here: install plimsoll[oidc]")
        try:
            self.secret()
        except UnfitSecretError as unfit:
            faults.append(str(unfit))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def secret(self) -> SecretStr | None:
        """The secret as it is now; None for a public client."""
        return one_secret(self.client_secret, self.client_secret_file)


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
    oidc: OidcConfig | None = Field(
        None, description="An OpenID Connect provider that people sign in through."
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
