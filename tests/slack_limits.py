"""What Slack refuses in a message: https://docs.slack.dev/reference/block-kit."""

import re
from collections.abc import Mapping
from typing import Any


class RefusedError(Exception):
    """Slack would say `ok: false` with this code."""

    def __init__(self, code: str, **parts: Any) -> None:
        super().__init__(code)
        self.parts = parts
        self.code = code


def check_message(body: Mapping[str, Any]) -> None:
    """Refuse a message as Slack does."""
    text, blocks, attachments = (body.get(name) for name in ("text", "blocks", "attachments"))
    if not text and not blocks and not attachments:
        raise RefusedError("no_text")
    if len(text or "") > 40_000:
        raise RefusedError("msg_too_long")
    check_blocks(blocks or [], "invalid_blocks")
    if len(attachments or []) > 100:
        raise RefusedError("too_many_attachments")
    for attachment in attachments or []:
        if not re.fullmatch(r"#[0-9a-f]{6}|good|warning|danger", attachment.get("color", "good")):
            raise RefusedError("invalid_attachments")
        check_blocks(attachment.get("blocks") or [], "invalid_attachments")
    metadata = body.get("metadata")
    if metadata is not None:
        named = re.fullmatch(r"[A-Za-z0-9_]{1,255}", str(metadata.get("event_type", "")))
        if not named or not isinstance(metadata.get("event_payload"), dict):
            raise RefusedError("invalid_metadata_format")


def check_blocks(blocks: Any, code: str) -> None:
    """The limits of blocks; the code depends on where they stand."""

    def must(holds: bool, what: str) -> None:
        if not holds:
            raise RefusedError(code, response_metadata={"messages": [f"[ERROR] {what}"]})

    must(isinstance(blocks, list) and len(blocks) <= 50, "no more than 50 items allowed")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    must(len(ids) == len(set(ids)), "block_id already exists")
    must(all(0 < len(name) <= 255 for name in ids), "block_id must be 1 to 255 characters")
    for block in blocks:
        match block.get("type"):
            case "header":
                must(text_fits(block.get("text"), 150, ("plain_text",)), "invalid header")
            case "section":
                fields = block.get("fields", [])
                must("text" in block or bool(fields), "section needs text or fields")
                must("text" not in block or text_fits(block["text"], 3000), "invalid text")
                must("fields" not in block or 0 < len(fields) <= 10, "1 to 10 fields allowed")
                must(all(text_fits(item, 2000) for item in fields), "invalid field")
            case "context":
                elements = block.get("elements", [])
                must(0 < len(elements) <= 10, "1 to 10 elements allowed")
                must(all(text_fits(item, 2000) for item in elements), "invalid element")
            case "divider":
                pass
            case "actions":
                elements = block.get("elements", [])
                must(0 < len(elements) <= 25, "1 to 25 elements allowed")
                must(all(button_fits(item) for item in elements), "invalid button")
                names = [item.get("action_id") for item in elements]
                must(len(names) == len(set(names)), "action_id already exists")
            case other:
                must(False, f"unsupported type: {other}")


def button_fits(button: Any) -> bool:
    """Whether it is a button Slack takes."""
    if button.get("type") != "button" or not text_fits(button.get("text"), 75, ("plain_text",)):
        return False
    asks = button.get("confirm")
    asked = asks is None or (
        text_fits(asks.get("title"), 100, ("plain_text",))
        and text_fits(asks.get("text"), 300)
        and text_fits(asks.get("confirm"), 30, ("plain_text",))
        and text_fits(asks.get("deny"), 30, ("plain_text",))
    )
    known = set(button) <= {"type", "action_id", "text", "value", "confirm", "style", "url"}
    named = 0 < len(button.get("action_id", "")) <= 255
    return known and named and asked and len(button.get("value", "")) <= 2000


def text_fits(text: Any, limit: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> bool:
    """Whether it is a text object Slack takes."""
    if not isinstance(text, dict) or text.get("type") not in kinds:
        return False
    allowed = (
        {"type", "text", "emoji"} if text["type"] == "plain_text" else {"type", "text", "verbatim"}
    )
    return set(text) <= allowed and 0 < len(text.get("text", "")) <= limit
