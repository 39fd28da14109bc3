"""An OpenID Connect provider over HTTP: discovery, keys, authorization, tokens.

It is strict where a real one is: a client it knows, its redirect address, PKCE, codes that are good
for one time. What it says in its tokens, and with which key, tests may change.
"""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT, SECRET = "plimsoll", "provider-knows"
Claims = dict[str, Any]


@dataclass
class Issued:
    """What a code was given for."""

    nonce: str
    challenge: str
    redirect_uri: str


def key(name: str) -> ECKey:
    """A new key."""
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig", "alg": "ES256"})


@dataclass
class Provider:
    """The provider; `now` is the time that its tokens are made at."""

    now: Callable[[], float]
    redirect_uri: str
    address: str = ""
    signing: ECKey = field(default_factory=lambda: key("first"))
    published: list[ECKey] = field(default_factory=list)
    claims: Claims = field(default_factory=dict)
    change: Callable[[Claims], Claims] = dict
    secret: str = SECRET
    broken: int = 0
    codes: dict[str, Issued] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def rotate(self, *, publish: bool = True) -> None:
        """Sign with a new key from now on."""
        self.signing = key(secrets.token_hex(4))
        if publish:
            self.published = [self.signing]

    def metadata(self) -> Claims:
        """The discovery document."""
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where to send the browser back to, with a code; an AssertionError for a bad request."""
        assert asked["client_id"] == CLIENT
        assert asked["redirect_uri"] == self.redirect_uri
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = Issued(asked["nonce"], asked["code_challenge"], asked["redirect_uri"])
        back = {"code": code, "state": asked["state"], "iss": self.address}
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def signed(self, claims: Claims) -> str:
        """A token that says so."""
        return jwt.encode({"alg": "ES256", "kid": self.signing.kid}, claims, self.signing)

    def redeem(self, asked: dict[str, str], authorization: str) -> tuple[int, Claims]:
        """Status and answer of the token endpoint."""
        basic = base64.b64encode(f"{CLIENT}:{self.secret}".encode()).decode()
        if authorization != f"Basic {basic}":
            return 401, {"error": "invalid_client"}
        issued = self.codes.pop(asked.get("code", ""), None)
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if issued is None or challenge != issued.challenge:
            return 400, {"error": "invalid_grant"}
        if asked["redirect_uri"] != issued.redirect_uri:
            return 400, {"error": "invalid_grant"}
        now = round(self.now())
        claims = {
            "iss": self.address,
            "sub": "248289761001",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": issued.nonce,
            **self.claims,
        }
        token = self.signed(self.change(claims))
        return 200, {"id_token": token, "access_token": "x", "token_type": "Bearer"}

    def answer(self, method: str, path: str, asked: dict[str, str], auth: str) -> tuple[int, Any]:
        """Status and answer: a document, or the address to go to."""
        self.asked.append(path)
        if self.broken:
            return self.broken, {}
        match method, path:
            case "GET", "/.well-known/openid-configuration":
                return 200, self.metadata()
            case "GET", "/keys":
                keys = self.published or [self.signing]
                return 200, KeySet([*keys]).as_dict(private=False)
            case "GET", "/authorize":
                return 302, self.authorize(asked)
            case "POST", "/token":
                return self.redeem(asked, auth)
        return 404, {}


@contextmanager
def provider(now: Callable[[], float], redirect_uri: str) -> Iterator[Provider]:
    """A provider that listens on a free port of 127.0.0.1."""
    made = Provider(now, redirect_uri)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.reply("GET", urlsplit(self.path).query)

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            self.reply("POST", self.rfile.read(length).decode())

        def reply(self, method: str, fields: str) -> None:
            asked = {name: values[0] for name, values in parse_qs(fields).items()}
            path = urlsplit(self.path).path
            status, found = made.answer(method, path, asked, self.headers.get("authorization", ""))
            body = b"" if isinstance(found, str) else json.dumps(found).encode()
            self.send_response(status)
            if isinstance(found, str):
                self.send_header("location", found)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
