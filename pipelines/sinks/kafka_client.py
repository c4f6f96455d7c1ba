"""How librdkafka, which publishes and consumes changes of alerts, is set up; and what to say of what it cannot do.

TLS and signing in are the settings of the Kafka source (``LOGSTER_KAFKA_…``). Spark's own client, which reads records, is
set up in ``pipelines.sources.kafka_client``.
"""

from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Producer

from pipelines.errors import SettingsError, SinkError
from pipelines.kafka_properties import properties_of
from pipelines.settings import Settings

__all__ = ["ANSWER_WITHIN_SECONDS", "ask_for_topic", "client_settings", "missing_topic", "trouble_of", "unusable"]

ANSWER_WITHIN_SECONDS = 15.0
_QUIET = 2  # what it cannot reach goes to standard error by default, a line every second
_REFUSALS = frozenset(
    [KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED,
     KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED,
     KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED]
)  # fmt: skip


def client_settings(settings: Settings) -> dict[str, str | int | float | bool]:
    """Properties that producer and consumer share; with the password in them, so nothing to be logged.

    Raises:
        SettingsError: a setting is missing, contradicts another, or names a file that is not there.
    """
    if not settings.alerts_kafka_servers:
        raise SettingsError(
            "LOGSTER_ALERTS_KAFKA_SERVERS is not set: brokers that changes of alerts go to, `host:port,…`"
        )
    others = properties_of(settings.alerts_kafka_properties, "LOGSTER_ALERTS_KAFKA_PROPERTIES")
    protocol = others.get("security.protocol", settings.kafka_security_protocol).upper()
    found: dict[str, str | int | float | bool] = {
        "bootstrap.servers": settings.alerts_kafka_servers,
        "security.protocol": protocol,
        "log_level": _QUIET,
    }
    if protocol.startswith("SASL_"):
        found["sasl.mechanism"] = settings.kafka_sasl_mechanism
        if settings.kafka_user and settings.kafka_password is not None:
            found |= {"sasl.username": settings.kafka_user, "sasl.password": settings.kafka_password.get_secret_value()}
        elif not any(name.startswith("sasl.") for name in others):
            raise SettingsError(
                f"{protocol} needs LOGSTER_KAFKA_USER and LOGSTER_KAFKA_PASSWORD, or another way to sign in among "
                "LOGSTER_ALERTS_KAFKA_PROPERTIES (`sasl.…`)"
            )
    if settings.kafka_ca_file:
        found["ssl.ca.location"] = _file(settings.kafka_ca_file, "LOGSTER_KAFKA_CA_FILE")
    if settings.kafka_client_certificate_file:
        place = _file(settings.kafka_client_certificate_file, "LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE")
        found |= {"ssl.certificate.location": place, "ssl.key.location": place}  # both are in the one file
    if settings.kafka_client_key_password:
        found["ssl.key.password"] = settings.kafka_client_key_password.get_secret_value()
    return found | others


def ask_for_topic(settings: Settings) -> int:
    """Ask the brokers for the topic of changes, in bounded time.

    Returns:
        Its number of partitions.

    Raises:
        SettingsError: a setting cannot be used.
        SinkError: no answer, a refusal, or there is no such topic.
    """
    heard: list[KafkaError] = []
    try:
        client = Producer({**client_settings(settings), "error_cb": heard.append})
    except (KafkaException, ValueError) as error:
        raise unusable(error) from None
    try:
        topic = client.list_topics(settings.alerts_topic, timeout=ANSWER_WITHIN_SECONDS).topics[settings.alerts_topic]
    except KafkaException as error:
        raise trouble_of(error, settings, heard[-1] if heard else None) from error
    if topic.error is not None:
        raise trouble_of(topic.error, settings)
    if not topic.partitions:
        raise missing_topic(settings)
    return len(topic.partitions)


def unusable(error: Exception) -> SettingsError:
    """What to say where librdkafka refuses its properties, before it has spoken to anyone."""
    told = error.args[0] if error.args else error
    what = told.str() if isinstance(told, KafkaError) else str(told)
    return SettingsError(
        f"Kafka's client cannot be set up: {what}; check LOGSTER_ALERTS_KAFKA_PROPERTIES, LOGSTER_KAFKA_CA_FILE, "
        "LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE and LOGSTER_KAFKA_CLIENT_KEY_PASSWORD"
    )


def trouble_of(error: KafkaException | KafkaError, settings: Settings, heard: KafkaError | None = None) -> SinkError:
    """What to say of an error of librdkafka's.

    Args:
        error: as it came.
        settings: name the place.
        heard: the last that the client said by itself; it knows why nobody answers.
    """
    told = error.args[0] if isinstance(error, KafkaException) else error
    place = f"Kafka at {settings.alerts_kafka_servers}"
    if not isinstance(told, KafkaError):
        return SinkError(f"{place} cannot be used: {told}")
    if heard is not None and heard.code() in _REFUSALS:
        told = heard
    if told.code() in _REFUSALS:
        return SinkError(
            f"{place} refuses us: {told.str()}; check LOGSTER_KAFKA_SECURITY_PROTOCOL, LOGSTER_KAFKA_USER, its password, "
            "LOGSTER_KAFKA_CA_FILE and our rights"
        )
    if told.code() == KafkaError.UNKNOWN_TOPIC_OR_PART or told.code() == KafkaError._UNKNOWN_TOPIC:
        return missing_topic(settings)
    if told.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
        return SinkError(f"another logster publishes changes of the alerts of {settings.lake}; run one")
    if told.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
        return SinkError(
            f"{place} takes no change of an alert of that size: raise `max.message.bytes` of topic {settings.alerts_topic}, and "
            "`message.max.bytes` among LOGSTER_ALERTS_KAFKA_PROPERTIES"
        )
    return SinkError(f"{place} does not answer: {told.str()}")


def missing_topic(settings: Settings) -> SinkError:
    """What to say where the topic is not there."""
    return SinkError(
        f"Kafka at {settings.alerts_kafka_servers} has no topic {settings.alerts_topic}: create it, or set LOGSTER_ALERTS_TOPIC"
    )


def _file(place: str, variable: str) -> str:
    path = Path(place).absolute()
    if not path.is_file():
        raise SettingsError(f"{variable}: there is no file {path}")
    return str(path)
