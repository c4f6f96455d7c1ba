"""Changes and what each receiver is told of them, side by side under ``cases/``.

``change.json`` is a document of the outbox; the other files are what goes out.
After a change that is meant, rewrite them and review the difference:

    LOGSTER_TEST_REWRITE=1 .venv/bin/python -m pytest tests/pipelines/sinks/test_formats.py
"""

import json
import os
import re
from email.policy import SMTP
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.schemas.outbox import DOCUMENT_SCHEMA
from pipelines.sinks.alertmanager import postable_alerts
from pipelines.sinks.case import detection_finding
from pipelines.sinks.cef import cef_line
from pipelines.sinks.mail import AT_ONCE as MAIL_AT_ONCE
from pipelines.sinks.mail import digest
from pipelines.sinks.slack import AT_ONCE, slack_message
from pipelines.sinks.syslog import rfc5424
from pipelines.sinks.ticket import ticket_row

pytestmark = pytest.mark.fast

CASES = sorted((Path(__file__).parent / "cases").glob("*/change.json"))
DOCUMENTS: dict[str, Any] = {case.parent.name: json.loads(case.read_text()) for case in CASES}


def slack(document: Any) -> str:
    return json.dumps(slack_message([document]), indent=1) + "\n"


def alertmanager(document: Any) -> str:
    return json.dumps(postable_alerts(document), indent=1) + "\n"


def case_of(document: Any) -> str:
    return json.dumps(detection_finding(document), indent=1) + "\n"


def ticket(document: Any) -> str:
    return json.dumps(ticket_row(document), indent=1) + "\n"


def syslog(document: Any) -> str:
    return rfc5424(cef_line(document), at=document["happened_at"], host="soc-1").decode() + "\n"


def mail(document: Any) -> str:
    sent = digest([document], sender="logster@acme.example", receivers=["soc@acme.example"])
    return sent.as_bytes(policy=SMTP).decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("name", "told"),
    [("slack.json", slack), ("alertmanager.json", alertmanager), ("syslog.txt", syslog), ("mail.txt", mail),
     ("case.json", case_of), ("ticket.json", ticket)],
)  # fmt: skip
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_what_goes_out(case, name, told):
    file, found = case.with_name(name), told(json.loads(case.read_text()))
    if os.environ.get("LOGSTER_TEST_REWRITE"):
        file.write_bytes(found.encode())
    assert found == file.read_bytes().decode()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_cases_follow_the_schema(name):
    jsonschema_rs.Draft202012Validator(json.loads(DOCUMENT_SCHEMA.read_text())).validate(DOCUMENTS[name])


def test_a_storm_is_one_message_within_slacks_limits():
    found = slack_message([DOCUMENTS["hostile_note"]] * AT_ONCE)
    assert found["blocks"][0]["text"]["text"] == f"{AT_ONCE} changes of alerts"
    sections = [block["text"]["text"] for block in found["blocks"] if block["type"] == "section"]
    assert len(sections) == AT_ONCE
    assert len(found["blocks"]) <= 50
    assert max(map(len, sections)) <= 3_000


def test_a_digest_tells_of_each_change_and_is_the_same_mail_again():
    documents = [DOCUMENTS["created"]] * (MAIL_AT_ONCE - 1) + [DOCUMENTS["updated"]]
    mails = [digest(documents, sender="a@b.example", receivers=["c@d.example"]) for _ in range(2)]
    assert mails[0]["Message-ID"] == mails[1]["Message-ID"]
    assert mails[0].get_content().count("alert on web-1 (acme)") == MAIL_AT_ONCE
    assert (
        digest(documents[1:], sender="a@b.example", receivers=["c@d.example"])["Message-ID"] != mails[0]["Message-ID"]
    )


ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(text=ANYTHING, endpoint=ANYTHING)
def test_whatever_a_person_or_an_event_says_it_stays_where_it_belongs(text, endpoint):
    document = json.loads(json.dumps(DOCUMENTS["transition"]))
    document["change"]["note"] = text
    document["change"]["actor"] = text
    document["alert"]["endpoint"] = endpoint
    document["alert"]["contributing_events"][0]["summary"] = text

    line = cef_line(document)
    assert len(line.splitlines()) == 1
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line.partition("rt=")[0])) == 7
    found = dict(cef_pairs(line.split("|alert-transition|", 1)[1]))
    note = "\n".join(text.replace("\0", "").splitlines())
    assert found.get("msg", "") == note or not note.strip()
    assert found["cs1"] == document["alert_id"]

    shown = slack_message([document])
    for block in shown["blocks"]:
        if block["type"] == "section":
            assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", block["text"]["text"])
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", shown["text"])

    sent = digest([document], sender="a@b.example", receivers=["c@d.example"]).as_bytes(policy=SMTP)
    names = [
        line.partition(b":")[0] for line in sent.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b" \t"
    ]
    assert names == [
        b"Subject", b"From", b"To", b"Message-ID", b"Auto-Submitted", b"Content-Type", b"Content-Transfer-Encoding",
        b"MIME-Version",
    ]  # fmt: skip


def cef_pairs(extension: str) -> list[tuple[str, str]]:
    """Take an extension apart as a receiver does: a key stands before an equals sign that is not escaped."""
    starts = list(re.finditer(r"(?:^|(?<= ))(\w+)(?<!\\)=", extension))
    pairs = []
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        value = extension[start.end() : following.start() - 1 if following else None]
        pairs.append((start[1], re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), value)))
    return pairs
