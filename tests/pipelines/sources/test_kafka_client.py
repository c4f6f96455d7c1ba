"""Settings of the Kafka source: what the client gets, what is refused, and that no secret is told."""

import pytest
from pydantic import SecretStr

from pipelines.errors import LogsterError, SettingsError
from pipelines.settings import Settings
from pipelines.sources.kafka_client import client_properties, subscription, tenant_pattern

pytestmark = pytest.mark.fast

SECRET = 'hunter"2\\'


def told(**settings) -> Settings:
    return Settings(kafka_servers="broker:9092", _env_file=None, **settings)


def test_a_password_is_quoted_for_java_and_shown_nowhere():
    settings = told(kafka_security_protocol="SASL_SSL", kafka_user="me", kafka_password=SecretStr(SECRET),
                    kafka_properties=SecretStr(f"ssl.key.password={SECRET}"))  # fmt: skip
    properties = client_properties(settings)
    assert properties["sasl.jaas.config"].endswith('required username="me" password="hunter\\"2\\\\";')
    assert properties["ssl.key.password"] == SECRET
    assert "hunter" not in repr(settings) + str(settings.model_dump())


def test_other_properties_win_as_json_or_lines():
    for text in ('{"request.timeout.ms": 7, "client.id": "a=b"}', "request.timeout.ms = 7\n\nclient.id=a=b\n"):
        properties = client_properties(told(kafka_properties=SecretStr(text)))
        assert (properties["request.timeout.ms"], properties["client.id"]) == ("7", "a=b")
        assert properties["isolation.level"] == "read_committed"


@pytest.mark.parametrize("text", [f'{{"x": "{SECRET}', f"sasl.jaas.config\n{SECRET}", f"={SECRET}"])
def test_properties_that_cannot_be_read_are_refused_without_their_text(text):
    with pytest.raises(SettingsError, match="LOGSTER_KAFKA_PROPERTIES") as caught:
        client_properties(told(kafka_properties=SecretStr(text)))
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"kafka_security_protocol": "SASL_SSL", "kafka_user": "me"}, "LOGSTER_KAFKA_PASSWORD"),
        ({"kafka_user": "me", "kafka_password": "x"}, "LOGSTER_KAFKA_SECURITY_PROTOCOL"),
        ({"kafka_ca_file": "/nowhere/ca.pem"}, "LOGSTER_KAFKA_CA_FILE"),
        ({"kafka_client_certificate_file": "/nowhere/own.pem"}, "LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE"),
        ({}, "LOGSTER_KAFKA_TOPICS"),
        ({"kafka_topics": "logs.*"}, "between slashes"),
        ({"kafka_topics": "logs", "kafka_tenant_from": "topic", "kafka_tenant_pattern": "(a"}, "no regular expression"),
        ({"kafka_topics": "logs", "kafka_tenant_from": "topic", "kafka_tenant_pattern": "(.*)"}, "group"),
        ({"kafka_topics": "logs", "kafka_tenant_pattern": "(?<tenant>.*)"}, "LOGSTER_KAFKA_TENANT_FROM"),
    ],
)
def test_what_cannot_work_is_refused_with_the_setting_named(settings, variable):
    with pytest.raises(LogsterError, match=variable):
        client_properties(told(**settings))
        subscription(told(**settings))
        tenant_pattern(told(**settings))


def test_topics_are_a_list_or_a_pattern():
    assert subscription(told(kafka_topics="a, b-1,")) == {"subscribe": "a,b-1"}
    assert subscription(told(kafka_topics="/logs[.].*/")) == {"subscribePattern": "logs[.].*"}
