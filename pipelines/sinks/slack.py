"""Changes of alerts to a Slack channel, by an incoming webhook: one message, also for the many of a storm.

Source: https://docs.slack.dev/reference/block-kit/blocks (limits) and
https://docs.slack.dev/messaging/formatting-message-text (what must be escaped).
"""

import json
from collections.abc import Sequence

from pipelines.sinks.changes import Document
from pipelines.sinks.deliveries import Change
from pipelines.sinks.webhook import HttpTarget
from pipelines.sinks.wording import details, headline

__all__ = ["AT_ONCE", "Slack", "slack_message"]

AT_ONCE = 20
"""Changes that one message tells of at most; Slack takes 50 blocks."""

_HEADER = 150  # characters that a header block takes
_SECTION = 3_000  # and a section's text
_LINE = 400
_SIGNS = {"CRITICAL": ":red_circle:", "HIGH": ":large_orange_circle:", "MEDIUM": ":large_yellow_circle:"}


class Slack:
    """An incoming webhook; Slack knows no idempotency key, so that a change may be told twice after a crash.

    Args:
        target: the webhook's address.
    """

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    def __call__(self, changes: Sequence[Change]) -> None:
        """Tell of changes in one message; see `HttpTarget.post`."""
        message = slack_message([change.document for change in changes])
        self._target.post(json.dumps(message).encode(), {"Content-Type": "application/json"})


def slack_message(documents: Sequence[Document]) -> Document:
    """The message that tells of changes, at most `AT_ONCE`.

    Args:
        documents: by ``pipelines/schemas/alert_change.v1.json``, in order.
    """
    first = documents[0]
    title = headline(first) if len(documents) == 1 else f"{len(documents)} changes of alerts"
    blocks: list[Document] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": _cut(" ".join(title.split()), _HEADER), "emoji": False},
        }
    ]
    for document in documents:
        blocks.append(
            {"type": "section", "text": {"type": "mrkdwn", "text": _section(document, is_one=len(documents) == 1)}}
        )
    ids = ", ".join(dict.fromkeys(document["alert_id"][:12] for document in documents))
    blocks.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut(f"alert {_escaped(ids)}", _SECTION)}]}
    )
    return {"text": _escaped(_cut(title, _SECTION)), "blocks": blocks}


def _section(document: Document, *, is_one: bool) -> str:
    alert = document["alert"] or {}
    sign = _SIGNS.get(alert.get("severity", ""), ":white_circle:")
    # of many each is one line, and a person's words; the rest is a click away
    said = (
        details(document)
        if is_one
        else [pair for pair in details(document) if pair[0] in ("note", "comment", "severity")]
    )
    lines = [f"*{label}* {_line(text)}" for label, text in said]
    head = sign if is_one else f"{sign} {_line(headline(document))}"
    return _whole_lines([head, *lines], _SECTION)


def _line(text: str) -> str:
    return _escaped(_cut(" ".join(text.split()), _LINE))


def _whole_lines(lines: Sequence[str], most: int) -> str:
    """As many lines as fit; an escape is never cut in two."""
    kept, length = list[str](), 0
    for line in lines:
        length += len(line) + 1
        if length > most:
            break
        kept.append(line)
    return "\n".join(kept)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _escaped(text: str) -> str:
    """Slack's three: without them a name could be a link, or call everybody (``<!channel>``)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
