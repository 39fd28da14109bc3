"""Slack: by bot token (messages are edited, threads, charts) or by incoming webhook.

Whatever happens comes back as an outcome.
"""

import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient

from alerts.alert import Delivery, Errand, Marker, Outcome, Picture, Receiver, Reference
from alerts.digest import EVENT_TYPE
from alerts.mrkdwn import link
from alerts.notifiers import Notifier
from alerts.notifiers.outbound import send
from alerts.notifiers.slack_answers import BLINDING, CHANNEL_FAULTS, sent, webhook_answer
from alerts.notifiers.slack_client import BotClient, HookClient, attempt
from alerts.payload import mrkdwn
from alerts.secret import LOOPBACK
from alerts.slack_config import SlackConfig

PAGE = 200
MOST_PAGES = 10
# Slack's clock stamps messages, ours the attempts.
CLOCK_SKEW_MS = 300_000


def slack(name: str, config: SlackConfig, panel_url: str = "") -> Notifier:
    """The notifier for a section `slack`."""
    return (
        SlackBot(name, config, panel_url)
        if config.by_token
        else SlackWebhook(name, config, panel_url)
    )


class SlackBot:
    """One channel, by bot token."""

    def __init__(self, name: str, config: SlackConfig, panel_url: str = "") -> None:
        self._config = config
        self.receiver = Receiver(
            name, edits=True, manner=replace(config.manner, panel_url=panel_url)
        )

    def post(self, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """`chat.postMessage`; a server error leaves its fate unknown."""
        channel = self._config.channel or ""
        body = self._leading_back(payload, errand)
        return self._call(lambda c: sent(c.chat_postMessage(channel=channel, **body).data))

    def reply(self, thread: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """`chat.postMessage` into a thread."""
        return self._call(
            lambda client: sent(
                client.chat_postMessage(channel=thread.channel, thread_ts=thread.ts, **payload).data
            )
        )

    def update(self, reference: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """`chat.update`; a message that cannot be edited any more is gone."""
        body = self._leading_back(payload, errand)
        delivery = self._call(
            lambda client: sent(
                client.chat_update(
                    channel=reference.channel,
                    ts=reference.ts,
                    text=body["text"],
                    blocks=body["blocks"],
                    attachments=body["attachments"],
                    metadata=body["metadata"],
                ).data
            )
        )
        elsewhere = self._config.channel not in (reference.channel, None)
        if delivery.detail in CHANNEL_FAULTS and elsewhere:
            return Delivery(outcome=Outcome.GONE, detail=delivery.detail)
        return delivery

    def find(self, marker: Marker) -> Delivery:
        """Look through the channel, or the thread; blind where that is not allowed."""
        channel = marker.channel or self._config.channel or ""
        if channel.startswith("#"):
            return Delivery(outcome=Outcome.BLIND, detail="the channel's id is not known")
        delivery = self._call(lambda client: search(client, channel, marker))
        if delivery.outcome is Outcome.RECEIVER_BROKEN and delivery.detail in BLINDING:
            return Delivery(outcome=Outcome.BLIND, detail=delivery.detail)
        return delivery

    def upload(self, thread: Reference, picture: Picture) -> Delivery:
        """A picture into a thread: ask for an address, send it there, hand it to the thread."""
        return self._call(lambda client: self._upload(client, thread, picture))

    def whisper(self, channel: str, user_id: str, text: str) -> Delivery:
        """`chat.postEphemeral`: only one person sees it, and it is gone with the next reload."""
        return self._call(
            lambda client: sent(
                client.chat_postEphemeral(channel=channel, user=user_id, text=text).data
            )
        )

    def permalink(self, reference: Reference) -> str:
        """The address of a message; empty where Slack does not tell it."""
        found: list[str] = []

        def ask(client: WebClient) -> Delivery:
            answer = client.chat_getPermalink(channel=reference.channel, message_ts=reference.ts)
            found.append(str(answer.get("permalink", "")))
            return Delivery(outcome=Outcome.SENT)

        self._call(ask)
        return found[0] if found else ""

    def _leading_back(self, payload: Mapping[str, Any], errand: Errand) -> Mapping[str, Any]:
        return leading_to(payload, self.permalink(errand.earlier)) if errand.earlier else payload

    def _upload(self, client: WebClient, thread: Reference, picture: Picture) -> Delivery:
        asked = client.files_getUploadURLExternal(
            filename=file_name(picture.key),
            length=len(picture.png),
            alt_txt=picture.alt_text[:1000],
        )
        address = str(asked.get("upload_url", ""))
        if not self._may_upload_to(address):
            return Delivery(outcome=Outcome.REFUSED, detail="an upload address that is not Slack's")
        request = urllib.request.Request(
            address, picture.png, {"Content-Type": "application/octet-stream"}, method="POST"
        )
        answer = send(request, self._config.timeout)
        if answer.status != 200:
            return Delivery(outcome=Outcome.REFUSED, detail=f"HTTP {answer.status} to the upload")
        client.files_completeUploadExternal(
            files=[{"id": str(asked.get("file_id", "")), "title": picture.title}],
            channel_id=thread.channel,
            thread_ts=thread.ts,
        )
        return Delivery(outcome=Outcome.SENT)

    def _may_upload_to(self, address: str) -> bool:
        """Slack's own hosts over https, or the host of a proxy that was configured."""
        parts, api = urlsplit(address), urlsplit(self._config.api_url)
        if parts.hostname == api.hostname and parts.scheme == api.scheme:
            return True
        known = (parts.hostname or "").endswith(".slack.com")
        return parts.scheme == "https" and known and api.hostname not in LOOPBACK

    def _call(self, ask: Callable[[WebClient], Delivery]) -> Delivery:
        def call(token: str) -> Delivery:
            return ask(BotClient(token, self._config.api_url, self._config.timeout))

        return attempt(self._config.secret, call)


class SlackWebhook:
    """One channel, by incoming webhook: it says `ok` and nothing else, so nothing can be edited."""

    def __init__(self, name: str, config: SlackConfig, panel_url: str = "") -> None:
        self._config = config
        self.receiver = Receiver(
            name, edits=False, manner=replace(config.manner, panel_url=panel_url)
        )

    def post(self, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Post once; metadata is left out, webhooks do not take it."""
        body = {name: part for name, part in payload.items() if name != "metadata"}

        def call(url: str) -> Delivery:
            return webhook_answer(HookClient(url, self._config.timeout).send_dict(body))

        return attempt(self._config.secret, call)

    def update(self, reference: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Say it anew: a webhook cannot edit."""
        return self.post(payload, errand)

    def find(self, marker: Marker) -> Delivery:
        """A webhook cannot look."""
        return Delivery(outcome=Outcome.BLIND, detail="a webhook cannot look into the channel")


def file_name(key: str) -> str:
    """The name of a chart's file, by which it is found again."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in key)[:200] + ".png"


def leading_to(payload: Mapping[str, Any], permalink: str) -> dict[str, Any]:
    """The message with a link to the one before it; as it is where there is none."""
    if not permalink:
        return dict(payload)
    note = {
        "type": "context",
        # New in every version, as Slack asks of edited messages.
        "block_id": f"earlier.{payload['metadata']['event_payload']['version']}",
        "elements": [mrkdwn(link(permalink, "The message about it before"), 2000)],
    }
    return {**payload, "blocks": [*payload["blocks"], note]}


def search(client: WebClient, channel: str, marker: Marker) -> Delivery:
    """The newest message with the marker since its first attempt, in the channel or a thread."""
    try:
        for message in since(client, channel, marker):
            version = recognised(message, marker)
            if version is not None:
                place = Reference(channel, str(message["ts"]))
                return Delivery(outcome=Outcome.FOUND, reference=place, version=version)
    except OverflowError:
        detail = f"more than {PAGE * MOST_PAGES} messages since"
        return Delivery(outcome=Outcome.BLIND, detail=detail)
    return Delivery(outcome=Outcome.ABSENT)


def since(client: WebClient, channel: str, marker: Marker) -> Iterator[dict[str, Any]]:
    """The messages since the first attempt; an OverflowError when they are too many to read."""
    oldest = f"{max(0, marker.since_ms - CLOCK_SKEW_MS) / 1000:.6f}"
    asked: dict[str, Any] = {"channel": channel, "oldest": oldest, "limit": PAGE}
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        if marker.thread is not None:
            page = client.conversations_replies(
                ts=marker.thread.ts, include_all_metadata=True, cursor=cursor, **asked
            )
        else:
            page = client.conversations_history(include_all_metadata=True, cursor=cursor, **asked)
        yield from page.get("messages") or []
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
    raise OverflowError


def recognised(message: Mapping[str, Any], marker: Marker) -> int | None:
    """The version of a message that has the marker, 0 where it has none; None for another."""
    metadata = message.get("metadata") or {}
    told = metadata.get("event_payload") or {}
    if marker.key:
        names = [one.get("name") for one in message.get("files") or []]
        ours = told.get("key") == marker.key or file_name(marker.key) in names
        return 0 if ours else None
    if metadata.get("event_type") == EVENT_TYPE and told.get("incident") == marker.incident_id:
        return int(told.get("version") or 0)
    return None
