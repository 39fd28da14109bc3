"""Asking an application as a client would, without a server."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

HERE = "http://127.0.0.1:8750"


class Client:
    """Each request in an event loop of its own; errors of the application reach nobody else."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            return await client.request(method, path, **more)


def problem(answer: httpx.Response, status: int, type_: str) -> dict[str, Any]:
    """The problem details of an answer, checked for their shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "errors"}
    assert body["type"] == f"urn:plimsoll:problem:{type_}"
    assert body["status"] == status
    return body
