import pytest
from confluent_kafka import KafkaError, KafkaException

from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sinks.kafka_client import client_settings, trouble_of

pytestmark = pytest.mark.fast


def told(**values: object) -> Settings:
    return Settings(**{"alerts_kafka_servers": "b:9092", **values}, _env_file=None)


def test_tls_and_signing_in_are_the_sources_settings(tmp_path):
    pem = tmp_path / "own.pem"
    pem.write_text("")
    found = client_settings(
        told(kafka_security_protocol="SASL_SSL", kafka_sasl_mechanism="SCRAM-SHA-512", kafka_user="ann", kafka_password="p;w",
             kafka_ca_file=str(pem), kafka_client_certificate_file=str(pem), kafka_client_key_password="k")
    )  # fmt: skip
    found.pop("log_level")
    assert found == {
        "bootstrap.servers": "b:9092", "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ann", "sasl.password": "p;w", "ssl.ca.location": str(pem), "ssl.certificate.location": str(pem),
        "ssl.key.location": str(pem), "ssl.key.password": "k",
    }  # fmt: skip


def test_other_properties_win():
    others = "security.protocol=sasl_ssl\nsasl.username=bob\nsasl.password=x=y"
    found = client_settings(told(kafka_security_protocol="PLAINTEXT", alerts_kafka_properties=others))
    assert (found["security.protocol"], found["sasl.username"], found["sasl.password"]) == ("sasl_ssl", "bob", "x=y")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"alerts_kafka_servers": None}, "LOGSTER_ALERTS_KAFKA_SERVERS is not set"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_user": "ann"}, "needs LOGSTER_KAFKA_USER and LOGSTER_KAFKA_PASSWORD"),
        ({"kafka_client_certificate_file": "/none.pem"}, "LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE: there is no file /none.pem"),
        ({"alerts_kafka_properties": "a secret"}, "LOGSTER_ALERTS_KAFKA_PROPERTIES: each line is `key=value`"),
        ({"alerts_kafka_properties": "{secret"}, "LOGSTER_ALERTS_KAFKA_PROPERTIES starts like a JSON object"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_names_its_setting(values, words):
    with pytest.raises(SettingsError) as caught:
        client_settings(told(**values))
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "refuses us"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "has no topic logster-alerts"),
        (KafkaError._FENCED, "another logster publishes"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "max.message.bytes"),
        (KafkaError._TRANSPORT, "does not answer"),
    ],
)
def test_trouble_is_told_with_the_way_out(code, words):
    assert words in str(trouble_of(KafkaException(KafkaError(code)), told()))


def test_a_refusal_that_was_heard_explains_why_nobody_answers():
    error, heard = KafkaError(KafkaError._TRANSPORT), KafkaError(KafkaError._AUTHENTICATION, "wrong password")
    assert "refuses us: wrong password" in str(trouble_of(error, told(), heard))
