import email
import email.policy

import pytest

from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sinks.deliveries import NotNow, Refused
from pipelines.sinks.mail import MailDigest
from tests.pipelines.sinks.mail_server import mail_server
from tests.pipelines.sinks.test_syslog import change_named

pytestmark = pytest.mark.fast


def told(port: int, **values: object) -> Settings:
    return Settings(
        **{"email_server": f"smtp://127.0.0.1:{port}", "email_from": "logster@acme.example",
           "email_to": "soc@acme.example, Ann <ann@acme.example>", "notify_allow_private": True} | values,
        _env_file=None,
    )  # fmt: skip


def test_a_digest_arrives_at_all_its_receivers():
    with mail_server() as box:
        MailDigest(told(box.port))([change_named("created"), change_named("hostile_note"), change_named("verdict")])
    assert [one.partition(" ")[0] for one in box.receivers] == ["<soc@acme.example>", "<ann@acme.example>"]
    (sent,) = box.mails
    mail = email.message_from_bytes(sent, policy=email.policy.default)
    assert mail["Subject"] == "[logster] 3 changes of alerts"
    text = mail.get_content()
    assert "HIGH alert on web-1 (acme)" in text
    assert "judged the alert on web-1 (acme): false positive" in text
    assert "Injected: x" in text
    assert "Injected" not in mail


@pytest.mark.parametrize(("answer", "error"), [("451 later", NotNow), ("554 no such mail", Refused)])
def test_what_the_server_says_of_the_mail(answer, error):
    with mail_server(answer) as box, pytest.raises(error, match=answer[:3]):
        MailDigest(told(box.port))([change_named("created")])


def test_a_server_without_tls_gets_nothing_unless_allowed():
    with mail_server() as box:
        send = MailDigest(told(box.port))
        send._allow_private = False
        with pytest.raises(NotNow, match="offers no STARTTLS"):
            send([change_named("created")])
        assert box.mails == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"email_server": None}, "LOGSTER_EMAIL_SERVER.* is not set"),
        ({"email_server": "mail.example"}, "LOGSTER_EMAIL_SERVER.* is no address"),
        ({"email_from": None}, "LOGSTER_EMAIL_FROM is not set"),
        ({"email_from": "nobody"}, "'nobody' is no address"),
        ({"email_to": " , "}, "LOGSTER_EMAIL_TO is not set"),
        ({"notify_allow_private": False}, "which is no public address"),
    ],
)
def test_what_cannot_be_used_names_its_setting(values, words):
    with pytest.raises(SettingsError, match=words):
        MailDigest(told(25, **values))
