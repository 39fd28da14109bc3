"""A Slack to test against, over HTTP: the channel as people would see it.

As a part of a test::

    with FakeSlack() as slack:
        slack.misbehave("chat.postMessage", RateLimited(2), Dropped(accepted=True))
        ...
        assert [message.text for message in slack.messages()] == [...]

As a process of its own, which keeps its channel in a file and survives being started again::

    python -m tests.slack_fake --port 8765 --journal slack.jsonl

It refuses what Slack refuses: foreign tokens, unknown channels, names where `chat.update` wants an
id, and messages beyond the limits of Block Kit.
"""

import argparse
import json
import re
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.slack_limits import RefusedError, check_message
from tests.slack_server import Handler, Server
from tests.slack_socket import Sockets

TOKEN = "xoxb-1111-2222-fake"
APP_TOKEN = "xapp-1-A0-1-fake"
WEBHOOK_PATH = "/services/T00000000/B00000000/fakefakefakefake"
CHANNEL = "C0ALERTS0"
CHANNELS = {CHANNEL: "alerts", "C0OTHER00": "other"}
SCOPES = frozenset({"chat:write", "channels:history", "files:write"})
BOT = "U0PLIMSOLL"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it stands in the channel now."""

    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    edits: int = 0
    by_webhook: bool = False
    thread_ts: str = ""
    broadcast: bool = False
    files: list[dict[str, Any]] = field(default_factory=list)

    @property
    def edited(self) -> bool:
        """Whether Slack would write "(edited)" beside it."""
        return self.edits > 0

    @property
    def incident(self) -> str:
        """The incident in the metadata; empty when there is none."""
        return str(((self.metadata or {}).get("event_payload") or {}).get("incident", ""))

    @property
    def shown(self) -> str:
        """All the text a person sees, line by line."""
        parts = [*self.blocks, *(b for a in self.attachments for b in a.get("blocks", []))]
        return "\n".join(texts(parts)) if parts else self.text


@dataclass(slots=True)
class Upload:
    """A file on its way in."""

    name: str
    length: int
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    method: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RateLimited:
    """429 with Retry-After; nothing is done."""

    retry_after: float = 1


@dataclass(frozen=True, slots=True)
class ServerError:
    """A 5xx, before or after the work was done."""

    status: int = 503
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """The connection ends without an answer, before or after the work was done."""

    accepted: bool


@dataclass(frozen=True, slots=True)
class Slow:
    """The work is done at once, the answer comes late; `drip` sends it byte by byte."""

    seconds: float
    drip: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """`ok: false` in a 200 (for a webhook: 403); nothing is done."""

    error: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """A 200 with something that is not Slack's; nothing is done."""

    body: str = "<html>sign in to the network</html>"


@dataclass(frozen=True, slots=True)
class Redirected:
    """A redirect to elsewhere; nothing is done."""

    to: str


Misbehaviour = RateLimited | ServerError | Dropped | Slow | Refused | Garbage | Redirected


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back over the wire."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def ok(cls, **parts: Any) -> "Reply":
        return cls(json.dumps({"ok": True, **parts}))

    @classmethod
    def error(cls, code: str, **parts: Any) -> "Reply":
        return cls(json.dumps({"ok": False, "error": code, **parts}))


class FakeSlack:
    """The server, its channels, and how it is to misbehave. `now` gives messages their time."""

    def __init__(
        self, *, port: int = 0, journal: Path | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.token = TOKEN
        self.app_token = APP_TOKEN
        self.scopes = SCOPES
        self.channels = dict(CHANNELS)
        self.archived: set[str] = set()
        self.absent: set[str] = set()  # channels the bot was not invited to
        self.calls: list[Call] = []
        self.whispers: list[tuple[str, str, str]] = []  # channel, user, text
        self.uploads: dict[str, Upload] = {}
        self.sockets = Sockets()
        self.delay_seconds = 0.0
        self._now = now
        self._journal = journal
        self._messages: dict[tuple[str, str], Message] = {}
        self._last_ts = 0.0
        self._script: dict[str, deque[Misbehaviour]] = defaultdict(deque)
        self._always: dict[str, Misbehaviour] = {}
        self._lock = threading.RLock()
        self.stopping = threading.Event()
        self._read_journal()
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.slack = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.sockets.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The root of the server."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def api_url(self) -> str:
        """What stands for https://slack.com/api/."""
        return f"{self.url}/api/"

    @property
    def webhook_url(self) -> str:
        """What stands for https://hooks.slack.com/services/..."""
        return self.url + WEBHOOK_PATH

    def misbehave(self, method: str, *how: Misbehaviour) -> None:
        """One misbehaviour for each of the next calls of a method; the webhook is `webhook`."""
        with self._lock:
            self._script[method].extend(how)

    def always(self, method: str, how: Misbehaviour | None) -> None:
        """Misbehave at every call without one of its own; None to be good again."""
        with self._lock:
            if how is None:
                self._always.pop(method, None)
            else:
                self._always[method] = how

    def messages(self, channel: str = CHANNEL) -> list[Message]:
        """The messages of a channel, oldest first; what stands in threads is left out."""
        return [message for message in self.everything(channel) if not message.thread_ts]

    def everything(self, channel: str = CHANNEL) -> list[Message]:
        """All messages, those of threads too, oldest first."""
        with self._lock:
            return [message for (where, _), message in self._messages.items() if where == channel]

    def thread(self, root: Message) -> list[Message]:
        """The replies to a message, oldest first."""
        return [one for one in self.everything(root.channel) if one.thread_ts == root.ts]

    def seen(self, channel: str = CHANNEL) -> str:
        """The channel with its threads open, as a person would read it."""
        lines = []
        for root in self.messages(channel):
            lines.append(told(root))
            lines += [f"    {told(reply)}" for reply in self.thread(root)]
        return "\n".join(lines)

    def press(self, message: Message, button: str, user: str = "ada") -> dict[str, Any]:
        """A person presses a button of a message: what Slack sends for it."""
        parts = [*message.blocks, *(b for a in message.attachments for b in a.get("blocks", []))]
        elements = [e for b in parts if b["type"] == "actions" for e in b["elements"]]
        (pressed,) = (e for e in elements if e["text"]["text"] == button)
        action = {key: pressed[key] for key in ("action_id", "value", "type")}
        return {
            "type": "block_actions",
            "user": {"id": f"U0{user.upper()}", "username": user, "name": user},
            "channel": {"id": message.channel, "name": self.channels[message.channel]},
            "message": {"ts": message.ts},
            "container": {"type": "message", "message_ts": message.ts},
            "response_url": "https://hooks.slack.com/actions/T0FAKE/1/secret",
            "actions": [action],
        }

    def remove(self, message: Message) -> None:
        """A person deletes a message."""
        with self._lock:
            del self._messages[message.channel, message.ts]

    def counted(self, method: str) -> int:
        """How often a method was called."""
        with self._lock:
            return sum(call.method == method for call in self.calls)

    # What Slack does

    def answer(
        self, path: str, token: str, body: dict[str, Any]
    ) -> tuple[Reply, Misbehaviour | None]:
        """The reply to one request, and how it is to be mangled on its way back."""
        webhook = path.startswith("/services/")
        method = "webhook" if webhook else path.removeprefix("/api/")
        method = "upload" if path.startswith("/upload/") else method
        with self._lock:
            self.calls.append(Call(method, body))
            script = self._script[method]
            how = script.popleft() if script else self._always.get(method)
        if path.startswith("/upload/"):
            refused = isinstance(how, ServerError)
            return (Reply("no", 503), None) if refused else (Reply("OK"), how)
        if self.delay_seconds:
            self.stopping.wait(self.delay_seconds)
        match how:
            case RateLimited(seconds):
                headers = {"Retry-After": f"{seconds:g}"}
                return replace(Reply.error("ratelimited"), status=429, headers=headers), None
            case Refused(error):
                return (Reply(error, 403) if webhook else Reply.error(error)), None
            case Garbage(text):
                return Reply(text), None
            case Redirected(to):
                return Reply("", 302, {"Location": to}), None
            case ServerError(status, accepted=False):
                return Reply("upstream connect error", status), None
            case Dropped(accepted=False):
                return Reply(""), how
        with self._lock:
            reply = self._hook(path, body) if webhook else self._method(method, token, body)
        return (replace(reply, status=how.status) if isinstance(how, ServerError) else reply), how

    def _method(self, method: str, token: str, body: dict[str, Any]) -> Reply:
        methods = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._whisper,
            "chat.getPermalink": self._permalink,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.getUploadURLExternal": self._begin_upload,
            "files.completeUploadExternal": self._complete_upload,
        }
        try:
            if not token:
                raise RefusedError("not_authed")
            if method == "apps.connections.open":
                return self._open_socket(token)
            if token != self.token:
                raise RefusedError("invalid_auth")
            if method not in methods:
                raise RefusedError("unknown_method", req_method=method)
            return methods[method](body)
        except RefusedError as refused:
            return Reply.error(refused.code, **refused.parts)

    def _auth_test(self, body: dict[str, Any]) -> Reply:
        told = Reply.ok(url=self.url, team="Fake", user="plimsoll", user_id=BOT, team_id="T0FAKE")
        return replace(told, headers={"X-OAuth-Scopes": ",".join(sorted(self.scopes))})

    def _post(self, body: dict[str, Any]) -> Reply:
        self._scope("chat:write")
        wanted = str(body.get("channel", ""))
        by_name = {f"#{name}": id for id, name in self.channels.items()}
        by_name |= {name: id for id, name in self.channels.items()}
        channel = self._open_channel(by_name.get(wanted, wanted))
        check_message(body)
        root = str(body.get("thread_ts") or "")
        if root and (channel, root) not in self._messages:
            raise RefusedError("thread_not_found")
        message = self._add(channel, body, by_webhook=False)
        return Reply.ok(channel=channel, ts=message.ts, message=shown_by_api(message, True))

    def _whisper(self, body: dict[str, Any]) -> Reply:
        self._scope("chat:write")
        channel = self._open_channel(str(body.get("channel", "")))
        self.whispers.append((channel, str(body["user"]), str(body["text"])))
        return Reply.ok(message_ts=f"{self._now():.6f}")

    def _permalink(self, body: dict[str, Any]) -> Reply:
        channel, ts = str(body.get("channel", "")), str(body.get("message_ts", ""))
        if (channel, ts) not in self._messages:
            raise RefusedError("message_not_found")
        link = f"https://fake.slack.com/archives/{channel}/p{ts.replace('.', '')}"
        return Reply.ok(channel=channel, permalink=link)

    def _begin_upload(self, body: dict[str, Any]) -> Reply:
        self._scope("files:write")
        id_ = f"F{len(self.uploads):08}"
        self.uploads[id_] = Upload(str(body["filename"]), int(body["length"]))
        return Reply.ok(file_id=id_, upload_url=f"{self.url}/upload/{id_}")

    def _take_upload(
        self, path: str, how: Misbehaviour | None
    ) -> tuple[Reply, Misbehaviour | None]:
        if isinstance(how, ServerError):
            return Reply("no", how.status), None
        return Reply("OK"), how

    def take_bytes(self, path: str, content: bytes) -> None:
        """What was sent to an upload address."""
        self.uploads[path.removeprefix("/upload/")].content = content

    def _complete_upload(self, body: dict[str, Any]) -> Reply:
        self._scope("files:write")
        channel = self._open_channel(str(body.get("channel_id", "")))
        shared = []
        for one in json.loads(body["files"]):
            upload = self.uploads.get(one["id"])
            if upload is None or len(upload.content) != upload.length:
                raise RefusedError("file_not_found")
            shared.append({"id": one["id"], "name": upload.name, "title": one.get("title", "")})
        root = str(body.get("thread_ts") or "")
        if root and (channel, root) not in self._messages:
            raise RefusedError("thread_not_found")
        with_files = {"text": "", "thread_ts": root, "files": shared}
        self._add(channel, with_files, by_webhook=False)
        return Reply.ok(files=shared)

    def _open_socket(self, token: str) -> Reply:
        if token != self.app_token:
            raise RefusedError("not_allowed_token_type")
        return Reply.ok(url=self.sockets.url)

    def _update(self, body: dict[str, Any]) -> Reply:
        self._scope("chat:write")
        channel = self._open_channel(str(body.get("channel", "")))  # ids only, unlike posting
        old = self._messages.get((channel, str(body.get("ts", ""))))
        if old is None:
            raise RefusedError("message_not_found")
        if old.by_webhook:
            raise RefusedError("cant_update_message")
        check_message(body)
        message = replace(
            old,
            text=body.get("text", ""),
            blocks=body.get("blocks", old.blocks),
            attachments=body.get("attachments", old.attachments),
            metadata=body.get("metadata", old.metadata),
            edits=old.edits + 1,
        )
        self._keep(message)
        return Reply.ok(channel=channel, ts=message.ts, text=message.text)

    def _history(self, body: dict[str, Any]) -> Reply:
        self._scope("channels:history")
        channel = str(body.get("channel", ""))
        if channel not in self.channels:
            raise RefusedError("channel_not_found")
        if channel in self.absent:
            raise RefusedError("not_in_channel")
        oldest, limit = float(body.get("oldest", 0)), min(999, int(body.get("limit", 100)))
        root = str(body.get("ts", ""))
        if root:
            shown = [m for m in self.everything(channel) if root in (m.ts, m.thread_ts)]
        else:
            shown = [m for m in self.everything(channel) if not m.thread_ts or m.broadcast]
        newest_first = [m for m in reversed(shown) if float(m.ts) > oldest or m.ts == root]
        if "cursor" in body and not re.fullmatch(r"next:\d+", str(body["cursor"])):
            raise RefusedError("invalid_cursor")
        start = int(str(body.get("cursor", "next:0")).removeprefix("next:"))
        page = newest_first[start : start + limit]
        more = start + limit < len(newest_first)
        with_metadata = str(body.get("include_all_metadata", "")).lower() in ("1", "true")
        return Reply.ok(
            messages=[shown_by_api(message, with_metadata) for message in page],
            has_more=more,
            response_metadata={"next_cursor": f"next:{start + limit}" if more else ""},
        )

    def _replies(self, body: dict[str, Any]) -> Reply:
        if (str(body.get("channel", "")), str(body.get("ts", ""))) not in self._messages:
            raise RefusedError("thread_not_found")
        return self._history(body)

    def _hook(self, path: str, body: dict[str, Any]) -> Reply:
        if path != WEBHOOK_PATH:
            return Reply("no_service", 404)
        if CHANNEL in self.archived:
            return Reply("channel_is_archived", 410)
        try:
            check_message(body)
        except RefusedError as refused:
            return Reply(refused.code, 400)
        self._add(CHANNEL, {**body, "metadata": None}, by_webhook=True)
        return Reply("ok")

    def _scope(self, needed: str) -> None:
        if needed not in self.scopes:
            raise RefusedError("missing_scope", needed=needed, provided=",".join(self.scopes))

    def _open_channel(self, channel: str) -> str:
        if channel not in self.channels:
            raise RefusedError("channel_not_found")
        if channel in self.archived:
            raise RefusedError("is_archived")
        if channel in self.absent:
            raise RefusedError("not_in_channel")
        return channel

    def _add(self, channel: str, body: Mapping[str, Any], *, by_webhook: bool) -> Message:
        self._last_ts = max(self._now(), self._last_ts + 1e-6)
        message = Message(
            channel=channel,
            ts=f"{self._last_ts:.6f}",
            text=body.get("text", ""),
            blocks=body.get("blocks") or [],
            attachments=body.get("attachments") or [],
            metadata=body.get("metadata"),
            by_webhook=by_webhook,
            thread_ts=str(body.get("thread_ts") or ""),
            broadcast=str(body.get("reply_broadcast", "")).lower() in ("1", "true"),
            files=body.get("files") or [],
        )
        self._keep(message)
        return message

    def _keep(self, message: Message) -> None:
        self._messages[message.channel, message.ts] = message
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(message)) + "\n")

    def _read_journal(self) -> None:
        if self._journal is None or not self._journal.exists():
            return
        for line in self._journal.read_text(encoding="utf-8").splitlines():
            message = Message(**json.loads(line))
            self._messages[message.channel, message.ts] = message
            self._last_ts = max(self._last_ts, float(message.ts))


def shown_by_api(message: Message, with_metadata: bool) -> dict[str, Any]:
    """A message as Slack's API shows it."""
    shown: dict[str, Any] = {
        "type": "message",
        "ts": message.ts,
        "text": message.text,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "bot_id": "B0PLIMSOLL",
    }
    if with_metadata and message.metadata:
        shown["metadata"] = message.metadata
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    if message.files:
        shown["files"] = message.files
    if message.edited:
        shown["edited"] = {"user": BOT, "ts": message.ts}
    return shown


def told(message: Message) -> str:
    """A message on one line."""
    marks = [f"[picture: {one['title']}]" for one in message.files]
    marks += ["(edited)"] if message.edited else []
    marks += ["(also sent to the channel)"] if message.broadcast else []
    return " ".join([message.text.split("\n")[0], *marks]).strip()


def texts(part: Any) -> Iterable[str]:
    """All texts in a part of a message, in their order."""
    if isinstance(part, Mapping):
        if isinstance(part.get("text"), str):
            yield part["text"]
        for value in part.values():
            yield from texts(value)
    elif isinstance(part, list):
        for item in part:
            yield from texts(item)


def main() -> None:
    """Serve until interrupted; say on standard output where."""
    parser = argparse.ArgumentParser(description="A fake Slack.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--journal", type=Path, help="file that keeps the channel")
    options = parser.parse_args()
    with FakeSlack(port=options.port, journal=options.journal) as slack:
        say = {"api_url": slack.api_url, "webhook_url": slack.webhook_url, "token": slack.token}
        sys.stdout.write(json.dumps(say | {"channel": CHANNEL}) + "\n")
        sys.stdout.flush()
        try:
            slack.stopping.wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
