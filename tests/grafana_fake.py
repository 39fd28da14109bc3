"""A Grafana to test against, over HTTP: folders, dashboards and annotations of its API.

As a part of a test::

    with FakeGrafana() as grafana:
        grafana.misbehave("POST /dashboards/db", Answer(503, {"message": "busy"}))
        ...
        assert grafana.dashboards["plimsoll-api"]["version"] == 1

What it answers is what Grafana's HTTP API documentation says (folder, dashboard and annotations
pages, versions 10 to 12): 401 for a foreign token, 403 for a viewer who writes, 404 for what is not
there, 409 and 412 for conflicts, 400 for a provisioned dashboard. Like Grafana it adds members of
its own to what it stores.
"""

import json
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

EDITOR, VIEWER = "glsa_editor_0000", "glsa_viewer_0000"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A planned answer in place of the right one. With `done` the change is made all the same."""

    status: int
    body: object = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    drop: bool = False


class FakeGrafana:
    """One organisation; what is in it can be looked at and put there."""

    def __init__(self) -> None:
        self.folders: dict[str, Json] = {}
        self.dashboards: dict[str, Json] = {}
        self.folder_of: dict[str, str] = {}
        self.provisioned: set[str] = set()
        self.annotations: dict[int, Json] = {}
        self.calls: list[str] = []
        self.meanwhile: Callable[[], object] | None = None  # somebody acts before the next save
        self.done: Callable[[str], object] | None = None  # after a call, before its answer
        self._planned: dict[str, deque[Answer]] = defaultdict(deque)
        self._ids = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.grafana = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Its address, with a subpath as many have."""
        return f"http://127.0.0.1:{self._server.server_port}/grafana"

    def misbehave(self, call: str, *answers: Answer) -> None:
        """Answer the next such calls otherwise; a call is like `POST /folders`."""
        self._planned[call].extend(answers)

    def writes(self) -> list[str]:
        """The calls that were to change something."""
        return [one for one in self.calls if not one.startswith("GET")]

    def new_id(self) -> int:
        """The next number."""
        self._ids += 1
        return self._ids

    def handle(self, method: str, target: str, token: str, body: Json) -> Answer:
        """One call."""
        parts = urlsplit(target)
        if not parts.path.startswith("/grafana/api/"):
            return Answer(302, "<a href=/grafana/login>Found</a>", {"Location": "/grafana/login"})
        path = parts.path.removeprefix("/grafana/api")
        call = f"{method} {path}"
        self.calls.append(call)
        planned = self._planned[call].popleft() if self._planned[call] else None
        if planned is not None and not planned.done:
            return planned
        if token not in (EDITOR, VIEWER):
            return Answer(401, {"message": "Invalid API key"})
        if method != "GET" and token == VIEWER:
            return Answer(403, {"message": "You'll need additional permissions to perform this."})
        answer = self.answer(method, path, parse_qs(parts.query), body)
        if self.done is not None:
            self.done(call)
        return planned or answer

    def answer(self, method: str, path: str, asked: Mapping[str, list[str]], body: Json) -> Answer:
        """What Grafana would say."""
        if found := re.fullmatch(r"/folders/([\w-]+)", path):
            return self.found(self.folders.get(found[1]), "folder not found")
        if path == "/folders":
            return Answer(200, [*self.folders.values()]) if method == "GET" else self.folder(body)
        if found := re.fullmatch(r"/dashboards/uid/([\w-]+)", path):
            return self.found(self.whole(found[1]), "Dashboard not found")
        if path == "/dashboards/db":
            return self.save(body)
        if path == "/annotations":
            return Answer(200, self.listed(asked)) if method == "GET" else self.annotate(body)
        if found := re.fullmatch(r"/annotations/(\d+)", path):
            if int(found[1]) not in self.annotations:
                return Answer(404, {"message": "Could not find annotation to update"})
            if method == "DELETE":
                del self.annotations[int(found[1])]
                return Answer(200, {"message": "Annotation deleted"})
            self.annotations[int(found[1])] |= body
            return Answer(200, {"message": "Annotation patched"})
        return Answer(404, {"message": "Not found"})

    def found(self, what: Json | None, otherwise: str) -> Answer:
        """Something, or 404."""
        return Answer(404, {"message": otherwise}) if what is None else Answer(200, what)

    def whole(self, uid: str) -> Json | None:
        """A dashboard with what Grafana knows of it."""
        if uid not in self.dashboards:
            return None
        meta = {"folderUid": self.folder_of[uid], "provisioned": uid in self.provisioned}
        return {"dashboard": self.dashboards[uid], "meta": meta}

    def folder(self, body: Json) -> Answer:
        """Make a folder; neither uid nor title may be there."""
        if body["uid"] in self.folders:
            return Answer(409, {"message": "a folder with the same uid already exists"})
        if any(one["title"] == body["title"] for one in self.folders.values()):
            said = "a folder with the same name already exists in the current location"
            return Answer(412, {"message": said, "status": "name-exists"})
        self.folders[body["uid"]] = {"id": self.new_id(), **body, "version": 1}
        return Answer(200, self.folders[body["uid"]])

    def save(self, body: Json) -> Answer:
        """Save a dashboard, if nobody did since the version that is named."""
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        dashboard, folder = body["dashboard"], body.get("folderUid", "")
        uid = dashboard["uid"]
        if folder and folder not in self.folders:
            return Answer(400, {"message": "folder not found", "status": "not-found"})
        if uid in self.provisioned:
            return Answer(400, {"message": "Cannot save provisioned dashboard"})
        for other, kept in self.dashboards.items():
            same = kept["title"] == dashboard["title"] and self.folder_of[other] == folder
            if same and other != uid:
                said = "A dashboard with the same name in the folder already exists"
                return Answer(412, {"message": said, "status": "name-exists"})
        before = self.dashboards.get(uid)
        if before and dashboard.get("version") != before["version"] and not body.get("overwrite"):
            said = "The dashboard has been changed by someone else"
            return Answer(412, {"message": said, "status": "version-mismatch"})
        number = before["id"] if before else self.new_id()
        version = before["version"] + 1 if before else 1
        stored = json.loads(json.dumps(dashboard)) | {"id": number, "version": version}
        for panel in stored.get("panels", []):
            panel.setdefault("pluginVersion", "12.1.0")  # as Grafana adds to panels
        self.dashboards[uid], self.folder_of[uid] = stored, folder
        return Answer(200, {"status": "success", "uid": uid, "version": version})

    def listed(self, asked: Mapping[str, list[str]]) -> list[Json]:
        """The annotations with all these tags that overlap the span."""
        wanted = set(asked.get("tags", []))
        start, end = int(asked["from"][0]), int(asked["to"][0])
        return [
            {"id": number, **one}
            for number, one in self.annotations.items()
            if wanted <= set(one["tags"]) and one["time"] <= end and one["timeEnd"] >= start
        ][: int(asked["limit"][0])]

    def annotate(self, body: Json) -> Answer:
        """A new annotation."""
        number = self.new_id()
        self.annotations[number] = body
        return Answer(200, {"message": "Annotation added", "id": number})


class Handler(BaseHTTPRequestHandler):
    """Hands calls to the fake and writes its answers."""

    def log_message(self, *args: object) -> None:
        """Stay silent."""

    def do(self) -> None:
        """One call."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        grafana: FakeGrafana = self.server.grafana  # type: ignore[attr-defined]
        answer = grafana.handle(self.command, self.path, token, json.loads(body or b"{}"))
        if answer.drop:
            self.close_connection = True
            return
        whole = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        payload = whole.encode()
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(payload))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PATCH = do_DELETE = do  # noqa: N815  # the names that http.server calls
