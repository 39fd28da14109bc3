"""Signing in through an OpenID Connect provider: code flow with PKCE, state and nonce.

Authlib builds the requests and checks the claims, joserfc the signature; here stands what is asked,
in which order, and what every failure is called. Nothing of a token is kept or logged.
"""

import hmac
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidClaimError,
    InvalidKeyIdError,
    JoseError,
    MissingClaimError,
)
from joserfc.jwk import KeySet

from alerts.secret import LOOPBACK, UnfitSecretError
from api.access.endings import PENDING_SECONDS, Ending, SignInError
from api.access.token import Scope
from api.config import OidcConfig

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""None that is made with a shared secret, and not `none`."""
LEEWAY_SECONDS = 60
FRESH_SECONDS = 3600
MOST_USED = 10_000
MOST_BYTES = 1_000_000
MOST_PERSON = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was begun: where the browser goes, and what it keeps until it is back."""

    url: str
    kept: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who came back, and what he may do."""

    name: str
    scopes: tuple[Scope, ...]


@dataclass(slots=True)
class Provider:
    """One provider. Its methods ask it over HTTP: call them in a thread.

    Times are seconds of the epoch. `_used` are the states that came back, so that none does twice.
    """

    config: OidcConfig
    redirect_uri: str
    _metadata: tuple[float, OpenIDProviderMetadata] | None = None
    _keys: KeySet | None = None
    _used: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, now: float) -> Begun:
        """The address to send a browser to; state, nonce and verifier stay in its cookie."""
        metadata = self.metadata(now)
        state, nonce, verifier = (generate_token(48) for _ in range(3))
        url = prepare_grant_uri(
            metadata["authorization_endpoint"],
            client_id=self.config.client_id,
            response_type="code",
            redirect_uri=self.redirect_uri,
            scope=" ".join(self.config.request_scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Begun(url, f"{round(now)}.{state}.{nonce}.{verifier}")

    def finish(self, kept: str, answer: Mapping[str, str], now: float) -> Person:
        """Who came back with this answer; a SignInError says why nobody did."""
        begun, state, nonce, verifier = self.taken(kept)
        if not hmac.compare_digest(state.encode(), answer.get("state", "").encode()):
            raise SignInError(Ending.STATE)
        if not -1 <= now - begun <= PENDING_SECONDS:  # what is kept is a whole second
            raise SignInError(Ending.STATE)
        self.use(state, now)
        metadata = self.metadata(now)
        # RFC 9207: the answer of another provider is none to this one.
        if answer.get("iss", metadata["issuer"]) != metadata["issuer"]:
            raise SignInError(Ending.CLAIMS)
        if "error" in answer:
            log.info("a sign-in ended at the provider: %s", answer["error"][:100])
            raise SignInError(Ending.CANCELLED)
        token = self.redeem(metadata, answer.get("code", ""), verifier)
        return self.person(self.claims(metadata, token, nonce, now))

    def taken(self, kept: str) -> tuple[float, str, str, str]:
        """What the browser has kept: when it began, state, nonce, verifier."""
        parts = kept.split(".")
        if len(parts) != 4 or not all(parts) or not parts[0].isdigit() or len(parts[0]) > 12:
            raise SignInError(Ending.STATE)
        return float(parts[0]), parts[1], parts[2], parts[3]

    def use(self, state: str, now: float) -> None:
        """Take a state; a second time it is refused."""
        with self._lock:
            while self._used and next(iter(self._used.values())) < now - 2 * PENDING_SECONDS:
                self._used.popitem(last=False)
            if state in self._used:
                raise SignInError(Ending.STATE)
            self._used[state] = now
            while len(self._used) > MOST_USED:  # a code is good for one time at the provider, too
                self._used.popitem(last=False)

    def metadata(self, now: float) -> OpenIDProviderMetadata:
        """The provider's discovery document; one that is an hour old is read anew.

        While the provider cannot be reached, what it said before still holds.
        """
        known = self._metadata
        if known is not None and now - known[0] < FRESH_SECONDS:
            return known[1]
        issuer = self.config.issuer.rstrip("/")
        try:
            found = self.fetch("GET", get_well_known_url(issuer, external=True))
        except SignInError:
            if known is not None:
                return known[1]
            raise
        metadata = OpenIDProviderMetadata(found)
        try:
            metadata.validate_issuer()
            ours = str(found["issuer"]).rstrip("/") == issuer
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not is_safe(str(found[name])):
                    raise ValueError(f"{name} is no https address")
        except (KeyError, ValueError) as error:
            log.warning("the OpenID provider cannot be used: %s", error)
            raise SignInError(Ending.PROVIDER) from None
        if not ours:
            log.warning("the OpenID provider names itself %s", str(found["issuer"])[:200])
            raise SignInError(Ending.PROVIDER)
        self._metadata, self._keys = (now, metadata), None
        return metadata

    def redeem(self, metadata: OpenIDProviderMetadata, code: str, verifier: str) -> str:
        """The ID token for a code."""
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
            "client_id": self.config.client_id,
        }
        try:
            secret = self.config.secret()
        except UnfitSecretError as unfit:
            log.warning("no sign-in: %s", unfit)
            raise SignInError(Ending.PROVIDER) from None
        auth = None
        if secret is not None:
            ways = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in ways:
                auth = (self.config.client_id, secret.get_secret_value())
            else:
                body["client_secret"] = secret.get_secret_value()
        found = self.fetch("POST", metadata["token_endpoint"], body, auth)
        token = found.get("id_token")
        if not isinstance(token, str):
            raise SignInError(Ending.CODE)
        return token

    def claims(
        self, metadata: OpenIDProviderMetadata, token: str, nonce: str, now: float
    ) -> CodeIDToken:
        """What an ID token says, once everything about it is right."""
        found = self.verified(metadata, token)
        claims = CodeIDToken(
            found.claims,
            found.header,
            options={
                "iss": {"essential": True, "value": metadata["issuer"]},
                "aud": {"essential": True, "value": self.config.client_id},
            },
            params={"nonce": nonce, "client_id": self.config.client_id},
        )
        try:
            claims.validate(now=round(now), leeway=LEEWAY_SECONDS)
        except ExpiredTokenError:
            raise SignInError(Ending.EXPIRED) from None
        except (InvalidClaimError, MissingClaimError) as error:
            endings = {"nonce": Ending.NONCE, "aud": Ending.AUDIENCE, "azp": Ending.AUDIENCE}
            raise SignInError(endings.get(str(error.claim), Ending.CLAIMS)) from None
        except (ClaimError, JoseError, TypeError, ValueError):
            raise SignInError(Ending.CLAIMS) from None
        return claims

    def verified(self, metadata: OpenIDProviderMetadata, token: str) -> jwt.Token:
        """A token whose signature is right. A key that is new is looked for once more."""
        for fresh in (False, True):
            keys = self.keys(metadata, fresh=fresh)
            try:
                return jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            except InvalidKeyIdError:
                continue
            except BadSignatureError:
                # A provider that names no keys may have changed the one it has.
                if not fresh:
                    continue
                raise SignInError(Ending.SIGNATURE) from None
            except (JoseError, ValueError, TypeError):
                raise SignInError(Ending.SIGNATURE) from None
        raise SignInError(Ending.UNKNOWN_KEY)

    def keys(self, metadata: OpenIDProviderMetadata, *, fresh: bool) -> KeySet:
        """The keys that the provider publishes."""
        if self._keys is None or fresh:
            try:
                self._keys = KeySet.import_key_set(self.fetch("GET", metadata["jwks_uri"]))  # type: ignore[arg-type]
            except (JoseError, KeyError, ValueError, TypeError):
                raise SignInError(Ending.PROVIDER) from None
        return self._keys

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Who it is, and what groups and e-mail address allow; nothing is nobody."""
        email = str(claims.get("email", "")).lower() if claims.get("email_verified") is True else ""
        told = claims.get(self.config.groups_claim, ())
        groups = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        scopes: dict[Scope, None] = {}
        for group in groups:
            scopes |= dict.fromkeys(self.config.groups.get(str(group), ()))
        if email:
            for key in (email, f"*@{email.rpartition('@')[2]}"):
                scopes |= dict.fromkeys(self.config.emails.get(key, ()))
        if not scopes:
            raise SignInError(Ending.NOT_ALLOWED)
        name = email or str(claims.get("preferred_username") or claims["sub"])
        plain = "".join(one for one in name if one.isprintable())
        return Person(plain[:MOST_PERSON], tuple(one for one in Scope if one in scopes))

    def fetch(
        self,
        method: str,
        url: str,
        body: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> dict[str, Any]:
        """A JSON object of the provider, not longer than it may be; no redirect is followed."""
        try:
            with (
                httpx.Client(timeout=self.config.timeout, trust_env=False) as client,
                client.stream(
                    method, url, data=body, auth=auth, headers={"accept": "application/json"}
                ) as answer,
            ):
                read = b""
                for chunk in answer.iter_bytes():
                    read += chunk
                    if len(read) > MOST_BYTES:
                        raise SignInError(Ending.PROVIDER)
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            raise SignInError(Ending.UNREACHABLE) from None
        if status >= 500:
            raise SignInError(Ending.UNREACHABLE)
        if status != 200:
            raise SignInError(Ending.CODE if method == "POST" else Ending.PROVIDER)
        try:
            found = httpx.Response(200, content=read).json()
        except ValueError:
            raise SignInError(Ending.PROVIDER) from None
        if not isinstance(found, dict):
            raise SignInError(Ending.PROVIDER)
        return found


def is_safe(url: str) -> bool:
    """Whether what is asked there cannot be read on the way: https, or this machine."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.host in LOOPBACK)
