"""How Kafka's Java client is set up from the settings, and what brokers say when they are asked before a stream starts.

Spark's own client is asked, so that what passes here passes there. The stream itself is ``pipelines.sources.kafka``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError

from pipelines.errors import SettingsError, SourceError
from pipelines.java_errors import JavaCause, java_causes
from pipelines.kafka_properties import properties_of
from pipelines.settings import Settings

__all__ = ["Brokers", "TenantPattern", "ask_brokers", "client_properties", "subscription", "tenant_pattern"]

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_ANSWER_WITHIN_SECONDS = 15
# a broker that is away is noticed in seconds, not in Kafka's minute; the driver tries again (`pipelines.stream`)
_PATIENCE = {"request.timeout.ms": "10000", "default.api.timeout.ms": "20000"}
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


@dataclass(frozen=True)
class Brokers:
    """What brokers say of themselves.

    Attributes:
        cluster_id: the cluster's own id, which offsets belong to.
        topics: those of its topics that are to be read; with a pattern there may be none yet.
    """

    cluster_id: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class TenantPattern:
    """A pattern with a group ``tenant``.

    Attributes:
        java: the pattern of a whole name, as Spark takes it.
        group: number of the group.
    """

    java: str
    group: int


def client_properties(settings: Settings) -> dict[str, str]:
    """Properties of Kafka's Java client; with the password in them, so nothing to be logged.

    Raises:
        SettingsError: a setting is missing, contradicts another, or names a file that is not there.
    """
    if not settings.kafka_servers:
        raise SettingsError("LOGSTER_KAFKA_SERVERS is not set: `host:port,…`")
    protocol = settings.kafka_security_protocol
    properties = {
        "bootstrap.servers": settings.kafka_servers,
        "security.protocol": protocol,
        "isolation.level": "read_committed",  # what a producer took back was never sent
        **_PATIENCE,
    }
    if protocol.startswith("SASL_"):
        properties |= _sign_in(settings)
    elif settings.kafka_user or settings.kafka_password:
        raise SettingsError(
            f"LOGSTER_KAFKA_USER and its password are not sent over {protocol}: set LOGSTER_KAFKA_SECURITY_PROTOCOL "
            "to SASL_SSL, or SASL_PLAINTEXT"
        )
    if settings.kafka_ca_file:
        place = _file(settings.kafka_ca_file, "LOGSTER_KAFKA_CA_FILE")
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": place}
    if settings.kafka_client_certificate_file:
        place = _file(settings.kafka_client_certificate_file, "LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE")
        properties |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": place}
    if settings.kafka_client_key_password:
        properties["ssl.key.password"] = settings.kafka_client_key_password.get_secret_value()
    return properties | _other_properties(settings)


def subscription(settings: Settings) -> dict[str, str]:
    """Spark's option that says which topics are read.

    Raises:
        SettingsError: no topics, or a name that no topic can have.
    """
    wanted = (settings.kafka_topics or "").strip()
    if len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/"):
        return {"subscribePattern": wanted[1:-1]}
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise SettingsError("LOGSTER_KAFKA_TOPICS is not set: `a,b,…`, or a pattern between slashes, `/logs[.].*/`")
    for name in names:
        if not _TOPIC.fullmatch(name):
            raise SettingsError(
                f"LOGSTER_KAFKA_TOPICS: no topic can be called '{name}'; a pattern is written between slashes, `/logs[.].*/`"
            )
    return {"subscribe": ",".join(names)}


def tenant_pattern(settings: Settings) -> TenantPattern | None:
    """The pattern that the tenant is found with, if one is set.

    Raises:
        SettingsError: it is no regular expression, or has no group ``tenant``.
    """
    pattern = settings.kafka_tenant_pattern
    if not pattern:
        return None
    shown = f"LOGSTER_KAFKA_TENANT_PATTERN '{pattern}'"
    # Java writes a named group (?<name>…), Python (?P<name>…)
    java = re.sub(r"\(\?P<(\w+)>", r"(?<\1>", pattern)
    try:
        compiled = re.compile(re.sub(r"\(\?<(\w+)>", r"(?P<\1>", java))
    except re.error as error:
        raise SettingsError(f"{shown} is no regular expression: {error}") from None
    if "tenant" not in compiled.groupindex:
        raise SettingsError(f"{shown} lacks the group that is the tenant, `(?<tenant>…)`")
    if settings.kafka_tenant_from == "setting":
        raise SettingsError(f"{shown} is for a tenant in topic, header or key: set LOGSTER_KAFKA_TENANT_FROM")
    return TenantPattern(rf"\A(?:{java})\z", compiled.groupindex["tenant"])


def ask_brokers(jvm: Any, settings: Settings) -> Brokers:  # noqa: ANN401 - py4j's view of a JVM has no type
    """Ask the brokers who they are and which topics they have, in bounded time.

    Args:
        jvm: a Java with Kafka's client in it.
        settings: where the brokers are, and what is to be read.

    Raises:
        SettingsError: a setting of the source cannot be used.
        SourceError: no answer, a refusal, or a topic that is not there.
    """
    properties = jvm.java.util.Properties()
    for name, value in client_properties(settings).items():
        properties.setProperty(name, value)
    wanted, tenant = subscription(settings), tenant_pattern(settings)
    seconds = jvm.java.util.concurrent.TimeUnit.SECONDS
    try:
        admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(properties)
        try:
            cluster_id = admin.describeCluster().clusterId().get(_ANSWER_WITHIN_SECONDS, seconds)
            there = frozenset(admin.listTopics().names().get(_ANSWER_WITHIN_SECONDS, seconds))
        finally:
            admin.close(jvm.java.time.Duration.ofSeconds(1))
        if tenant and settings.kafka_tenant_from == "topic" and "subscribe" in wanted:
            _refuse_without_tenant(jvm, tenant, wanted["subscribe"].split(","))
        if "subscribePattern" in wanted:
            pattern = jvm.java.util.regex.Pattern.compile(wanted["subscribePattern"])
            return Brokers(cluster_id, tuple(sorted(name for name in there if pattern.matcher(name).matches())))
    except Py4JJavaError as error:
        raise SourceError(_told(error, settings)) from None
    names = wanted["subscribe"].split(",")
    if missing := [name for name in names if name not in there]:
        raise SourceError(
            f"Kafka at {settings.kafka_servers} has no topic {', '.join(missing)}: create it, give "
            f"{settings.kafka_user or 'the user'} the right to see it, or set LOGSTER_KAFKA_TOPICS"
        )
    return Brokers(cluster_id, tuple(names))


def _refuse_without_tenant(jvm: Any, tenant: TenantPattern, topics: list[str]) -> None:  # noqa: ANN401 - see above
    pattern = jvm.java.util.regex.Pattern.compile(tenant.java)
    if nameless := [topic for topic in topics if not pattern.matcher(topic).matches()]:
        raise SettingsError(f"LOGSTER_KAFKA_TENANT_PATTERN finds no tenant in the topic {', '.join(nameless)}")


def _told(error: Exception, settings: Settings) -> str:
    causes = java_causes(error)
    root = causes[-1] if causes else None
    place = f"Kafka at {settings.kafka_servers}"
    if any(cause.is_a("org.apache.kafka.common.errors.AuthenticationException") for cause in causes):
        what = root.message if root else "refused"
        ours = (
            "LOGSTER_KAFKA_USER, its password, LOGSTER_KAFKA_SASL_MECHANISM"
            if settings.kafka_security_protocol.startswith("SASL_")
            else "LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE"
        )
        return f"{place} refuses us: {what}; check {ours} and LOGSTER_KAFKA_CA_FILE"
    if any(cause.is_a("org.apache.kafka.common.errors.InvalidConfigurationException") for cause in causes):
        return _told_of_files(root)
    if any(cause.is_a("java.util.regex.PatternSyntaxException") for cause in causes):
        return f"LOGSTER_KAFKA_TOPICS is no regular expression: {root.message if root else ''}"
    if any(
        cause.is_a("java.util.concurrent.TimeoutException")
        or cause.is_a("org.apache.kafka.common.errors.TimeoutException")
        for cause in causes
    ):
        return (
            f"{place} does not answer within {_ANSWER_WITHIN_SECONDS} s: check that it runs, LOGSTER_KAFKA_SERVERS, "
            f"and that it speaks {settings.kafka_security_protocol} there (LOGSTER_KAFKA_SECURITY_PROTOCOL)"
        )
    return f"{place} cannot be used: {root.text if root else error}"


def _told_of_files(root: JavaCause | None) -> str:
    what = root.text if root else "no certificate"
    if "PBES2" in what:  # what openssl takes by default; Kafka 3.9 knows keys of PKCS #5 version 1 only
        return (
            f"LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE: Kafka's client cannot open its key ({what}): lock it anew by "
            "`openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES`, or leave it unlocked, for Logster alone to read"
        )
    return (
        f"a certificate or key for Kafka cannot be read ({what}): check LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE, "
        "LOGSTER_KAFKA_CLIENT_KEY_PASSWORD and LOGSTER_KAFKA_CA_FILE"
    )


def _sign_in(settings: Settings) -> dict[str, str]:
    mechanism = settings.kafka_sasl_mechanism
    properties = {"sasl.mechanism": mechanism}
    if "sasl.jaas.config" in _other_properties(settings):
        return properties
    if not settings.kafka_user or settings.kafka_password is None:
        raise SettingsError(
            f"{settings.kafka_security_protocol} needs LOGSTER_KAFKA_USER and LOGSTER_KAFKA_PASSWORD, or another way to "
            "sign in as `sasl.jaas.config` in LOGSTER_KAFKA_PROPERTIES"
        )
    user, password = (_quoted(text) for text in (settings.kafka_user, settings.kafka_password.get_secret_value()))
    properties["sasl.jaas.config"] = f"{_LOGIN_MODULES[mechanism]} required username={user} password={password};"
    return properties


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _file(place: str, variable: str) -> str:
    path = Path(place).absolute()
    if not path.is_file():
        raise SettingsError(f"{variable}: there is no file {path}")
    return str(path)


def _other_properties(settings: Settings) -> dict[str, str]:
    """Properties that no setting of their own is there for; values may be secrets and are in no message."""
    return properties_of(settings.kafka_properties, "LOGSTER_KAFKA_PROPERTIES")
