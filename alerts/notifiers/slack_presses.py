"""How presses of buttons come in: over Socket Mode, or as signed requests.

Over Socket Mode Plimsoll connects outwards and needs no public address. Slack wants an
acknowledgement within three seconds, so it is sent before anything is done.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from alerts.notifiers.slack_client import BotClient, silent
from alerts.redact import redacted
from alerts.secret import UnfitSecretError
from alerts.slack_config import SlackConfig

log = logging.getLogger(__name__)

WORKERS = 2
LOOKS = 50
LOOK_SECONDS = 0.1

OnPress = Callable[[Mapping[str, Any]], object]


class Listener:
    """One connection to Slack that presses come in over; it is made anew when it breaks."""

    def __init__(self, config: SlackConfig, on_press: OnPress) -> None:
        self._config = config
        self._on_press = on_press
        self._client: SocketModeClient | None = None
        self._lock = threading.Lock()

    @property
    def connected(self) -> bool:
        """Whether presses would arrive now."""
        return self._client is not None and self._client.is_connected()

    def keep(self) -> str:
        """Connect if there is no connection; why that failed, empty when it did not."""
        with self._lock:
            if self.connected:
                return ""
            self._hang_up()
            try:
                self._client = self._connect()
            except UnfitSecretError as unfit:
                return redacted(str(unfit))
            except Exception as error:  # whatever it is, it is tried again at the next call
                self._hang_up()
                return redacted(f"{type(error).__name__}: {error}")
            return "" if self._client.is_connected() else "the connection was refused"

    def close(self) -> None:
        """Hang up for good."""
        with self._lock:
            self._hang_up()

    def _connect(self) -> SocketModeClient:
        token = self._config.listens_with().get_secret_value()
        web = BotClient(token, self._config.api_url, self._config.timeout)
        url = str(web.apps_connections_open(app_token=token)["url"])
        client = SocketModeClient(token, silent(), web, concurrency=WORKERS)
        client.socket_mode_request_listeners.append(self._heard)
        client.wss_uri = url
        self._client = client  # from here on there are threads to end
        client.connect()
        return client

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            hang_up(client)

    def _heard(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        if request.type != "interactive":
            return
        try:
            self._on_press(request.payload)
        except Exception as error:
            log.error("a press was not handled: %s", redacted(f"{type(error).__name__}: {error}"))


def hang_up(client: SocketModeClient) -> None:
    """Close a connection and end its threads, waiting some seconds for them at most.

    The library's own `close` waits without limit, and in vain when the loop that reads was about
    to begin: that loop takes back the sign to end, or looks for it in another place. Here the
    sign is repeated; a loop that misses it nevertheless sleeps in a thread that holds nothing.
    """
    client.closed = True
    client.auto_reconnect_enabled = False
    runners = (client.message_processor, client.current_app_monitor, client.current_session_runner)
    for runner in runners:
        runner.event.set()
    for _ in range(LOOKS):
        client.current_session_state.terminated = True
        client.disconnect()
        left = [runner.thread for runner in runners if runner.is_alive()]
        if not left:
            break
        left[0].join(LOOK_SECONDS)
    client.message_workers.shutdown()


class At(Clock):
    """A clock that stands where it was told."""

    def __init__(self, at_seconds: float) -> None:
        self._at_seconds = at_seconds

    def now(self) -> float:
        """The time that was given."""
        return self._at_seconds


def is_signed(
    config: SlackConfig, headers: Mapping[str, str], body: bytes, at_seconds: float
) -> bool:
    """Whether a request is Slack's: signed with the secret, not older than five minutes."""
    try:
        secret = config.signed_with().get_secret_value()
    except UnfitSecretError as unfit:
        log.error("presses cannot be checked: %s", redacted(str(unfit)))
        return False
    try:
        return SignatureVerifier(secret, At(at_seconds)).is_valid_request(body, dict(headers))
    except ValueError:  # a timestamp that is no number
        return False
