"""Delta tables as other teams have them, a few rows each, in the schemas that the shipped mappings are for."""

import json
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

_AT = "2026-03-02T10:00:%02dZ"
_MILLIS = 1_772_445_600_000  # 2026-03-02 10:00 UTC


@dataclass(frozen=True)
class SourceTable:
    """A table.

    Attributes:
        schema: Spark's DDL.
        rows: one a row, as JSON has them.
        expected: of each row, in its order: what its event has in these columns.
    """

    schema: str
    rows: list[dict[str, Any]]
    expected: list[dict[str, Any]] = field(default_factory=list)


def frame_of(spark: SparkSession, schema: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows as a frame."""
    texts = spark.createDataFrame([(json.dumps(row),) for row in rows], "text string")
    return texts.select(F.from_json("text", schema).alias("row")).select("row.*")


_STARTED_BY = (
    "InitiatingProcessId BIGINT, InitiatingProcessFileName STRING, InitiatingProcessFolderPath STRING, "
    "InitiatingProcessCommandLine STRING, InitiatingProcessAccountDomain STRING, InitiatingProcessAccountName STRING, "
    "InitiatingProcessParentId BIGINT, InitiatingProcessParentFileName STRING"
)
_DEVICE = "TenantId STRING, TimeGenerated TIMESTAMP, DeviceId STRING, DeviceName STRING, ActionType STRING"
_FILE = "FileName STRING, FolderPath STRING, SHA1 STRING, SHA256 STRING, MD5 STRING"
_POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"


def _device(second: int, action: str, **told: Any) -> dict[str, Any]:
    return {
        "TenantId": "not-logster's", "DeviceId": "d1", "DeviceName": "WS-01.acme.example",
        "TimeGenerated": _AT % second, "ActionType": action, **told,
    }  # fmt: skip


def _by_powershell(second: int, action: str, **told: Any) -> dict[str, Any]:
    return _device(
        second, action, InitiatingProcessId=4321, InitiatingProcessFileName="powershell.exe",
        InitiatingProcessFolderPath=_POWERSHELL, InitiatingProcessCommandLine="powershell -enc AAAA",
        InitiatingProcessAccountDomain="acme", InitiatingProcessAccountName="j.lindqvist",
        InitiatingProcessParentId=700, InitiatingProcessParentFileName="winword.exe", **told,
    )  # fmt: skip


_OS = "os: STRUCT<name: STRING, type: STRING, type_id: INT>"
_PROCESS = "pid: BIGINT, uid: STRING, name: STRING, cmd_line: STRING, file: STRUCT<path: STRING, name: STRING>"
_OCSF = (
    "class_uid INT, type_uid BIGINT, activity_id INT, status_id INT, time BIGINT, "
    f"metadata STRUCT<version: STRING, product: STRUCT<name: STRING>>, device STRUCT<hostname: STRING, ip: STRING, {_OS}>, "
    f"actor STRUCT<process: STRUCT<{_PROCESS}>, user: STRUCT<name: STRING, uid: STRING>>"
)


def _ocsf(class_uid: int, activity: int, second: int, **told: Any) -> dict[str, Any]:
    return {
        "class_uid": class_uid, "type_uid": class_uid * 100 + activity, "activity_id": activity, "status_id": 1,
        "time": _MILLIS + second * 1000, "metadata": {"version": "1.3.0", "product": {"name": "Agent"}},
        "device": {"hostname": "web-01", "ip": "10.0.0.1", "os": {"name": "Debian", "type": "Linux", "type_id": 200}},
        "actor": {"process": {"pid": 900, "uid": "U-900", "cmd_line": "bash -i", "file": {"path": "/bin/bash"}},
                  "user": {"name": "root", "uid": "0"}},
        **told,
    }  # fmt: skip


_ECS = (
    "`@timestamp` STRING, message STRING, "
    "event STRUCT<category: ARRAY<STRING>, type: ARRAY<STRING>, action: STRING, code: STRING, provider: STRING, "
    "module: STRING, outcome: STRING>, host STRUCT<name: STRING, os: STRUCT<type: STRING>>, "
    "process STRUCT<entity_id: STRING, pid: BIGINT, name: STRING, executable: STRING, command_line: STRING, "
    "parent: STRUCT<entity_id: STRING, pid: BIGINT, name: STRING, executable: STRING, command_line: STRING>>, "
    "user STRUCT<name: STRING, domain: STRING>, file STRUCT<path: STRING>, "
    "network STRUCT<transport: STRING, direction: STRING>, "
    "source STRUCT<ip: STRING, port: BIGINT>, destination STRUCT<ip: STRING, port: BIGINT, domain: STRING>"
)


def _ecs(second: int, category: str, kind: str, **told: Any) -> dict[str, Any]:
    return {
        "@timestamp": _AT % second, "message": "as told",
        "event": {"category": [category], "type": [kind], "action": "any", "module": "endpoint"},
        "host": {"name": "mail-01", "os": {"type": "linux"}}, "user": {"name": "postfix"},
        "process": {"pid": 55, "entity_id": "E-55", "executable": "/usr/sbin/smtpd"}, **told,
    }  # fmt: skip


def _of_process(second: int, category: str, action: str, **told: Any) -> dict[str, Any]:
    return {"second": second, "category": category, "action": action, **told}


SOURCE_TABLES = {
    "sentinel-process": SourceTable(
        f"{_DEVICE}, {_FILE}, AccountDomain STRING, AccountName STRING, ProcessId BIGINT, ProcessCommandLine STRING, "
        f"ProcessIntegrityLevel STRING, {_STARTED_BY}",
        [
            _device(
                1, "ProcessCreated", FileName="powershell.exe", FolderPath=_POWERSHELL, AccountDomain="acme", SHA1="ab",
                AccountName="j.lindqvist", ProcessId=4321, ProcessCommandLine="powershell -enc AAAA",
                ProcessIntegrityLevel="High", InitiatingProcessId=700, InitiatingProcessFileName="winword.exe",
                InitiatingProcessFolderPath=r"C:\Office\winword.exe", InitiatingProcessCommandLine="winword.exe a.docm",
            ),
            _device(2, "ProcessCreated", FileName="id", FolderPath="/usr/bin", ProcessId=12, InitiatingProcessId=1),
        ],
        [
            _of_process(
                1, "process", "process_created", process_pid=4321, process_path=_POWERSHELL, parent_pid=700,
                parent_name="winword.exe", command_line="powershell -enc AAAA", user=r"acme\j.lindqvist",
                platform="windows", endpoint="ws-01.acme.example", file_hash="SHA1=ab",
            ),
            _of_process(2, "process", "process_created", process_path="/usr/bin/id", platform="linux", process_name="id"),
        ],
    ),
    "sentinel-file": SourceTable(
        f"{_DEVICE}, {_FILE}, {_STARTED_BY}",
        [
            _by_powershell(3, "FileCreated", FileName="a.exe", FolderPath=r"C:\Users\Public"),
            _by_powershell(4, "FileDeleted", FileName="a.exe", FolderPath=r"C:\Users\Public\a.exe"),
        ],
        [
            _of_process(3, "file", "file_created", file_path=r"C:\Users\Public\a.exe", process_pid=4321),
            _of_process(4, "file", "file_deleted", file_path=r"C:\Users\Public\a.exe", parent_pid=700),
        ],
    ),
    "sentinel-network": SourceTable(
        f"{_DEVICE}, RemoteIP STRING, RemotePort INT, RemoteUrl STRING, LocalIP STRING, LocalPort INT, Protocol STRING, "
        f"{_STARTED_BY}",
        [
            _by_powershell(
                5, "ConnectionSuccess", RemoteIP="::ffff:198.51.100.7", RemotePort=443, RemoteUrl="c2.example",
                LocalIP="10.0.0.2", LocalPort=50123, Protocol="Tcp",
            ),
            _by_powershell(
                6, "InboundConnectionAccepted", RemoteIP="10.0.0.9", RemotePort=50200, LocalIP="10.0.0.2", LocalPort=445,
            ),
        ],
        [
            _of_process(5, "network", "connected", dst_ip="198.51.100.7", dst_port=443, dst_domain="c2.example",
                        protocol="tcp", outcome="success", process_pid=4321),
            _of_process(6, "network", "accepted", dst_ip="10.0.0.2", dst_port=445, src_ip="10.0.0.9", src_port=50200),
        ],
    ),
    "ocsf-process": SourceTable(
        f"{_OCSF}, process STRUCT<{_PROCESS}, user: STRUCT<name: STRING>>",
        [
            _ocsf(1007, 1, 7, process={"pid": 901, "uid": "U-901", "cmd_line": "nc -l", "file": {"path": "/bin/nc"}}),
            _ocsf(1007, 4, 8, process={"pid": 1, "uid": "U-1", "file": {"path": "/sbin/init"}}),
        ],
        [
            _of_process(7, "process", "process_created", process_guid="u-901", parent_guid="u-900", process_key="u-901",
                        process_name="nc", parent_path="/bin/bash", user="root", platform="linux", event_code="100701",
                        provider="Agent"),
            _of_process(8, "process", "process_injected", process_guid="u-900", target_guid="u-1", target_name="init"),
        ],
    ),
    "ocsf-file": SourceTable(
        f"{_OCSF}, file STRUCT<path: STRING, name: STRING>",
        [_ocsf(1001, 3, 9, file={"path": "/etc/cron.d/x"}, status_id=2)],
        [_of_process(9, "file", "file_written", file_path="/etc/cron.d/x", process_key="u-900", outcome="failure")],
    ),
    "ocsf-network": SourceTable(
        f"{_OCSF}, src_endpoint STRUCT<ip: STRING, port: INT>, "
        "dst_endpoint STRUCT<ip: STRING, port: INT, hostname: STRING>, "
        "connection_info STRUCT<protocol_name: STRING, direction_id: INT>",
        [
            _ocsf(4001, 1, 10, dst_endpoint={"ip": "198.51.100.7", "port": 8080}, connection_info={"direction_id": 2}),
            _ocsf(4001, 7, 11, dst_endpoint={"ip": "0.0.0.0", "port": 8080}),
        ],
        [
            _of_process(10, "network", "connected", dst_ip="198.51.100.7", dst_port=8080, process_key="u-900"),
            _of_process(11, "network", "listened", dst_port=8080),
        ],
    ),
    "ecs": SourceTable(
        _ECS,
        [
            _ecs(12, "process", "start", process={"pid": 56, "executable": "/bin/sh", "parent": {"pid": 55}}),
            _ecs(13, "file", "deletion", file={"path": "/var/log/mail"}),
            _ecs(14, "network", "connection", destination={"ip": "10.9.9.9", "port": 25}, network={"transport": "TCP"}),
            _ecs(15, "authentication", "start", event={"category": ["authentication"], "outcome": "failure", "code": "7",
                                                      "provider": "sshd"}),
        ],
        [
            _of_process(12, "process", "process_created", process_pid=56, parent_pid=55, provider="endpoint",
                        event_code="any"),
            _of_process(13, "file", "file_deleted", file_path="/var/log/mail", process_key="e-55"),
            _of_process(14, "network", "connected", dst_ip="10.9.9.9", dst_port=25, protocol="tcp"),
            _of_process(15, "auth", "logon_failed", user="postfix", event_code="7", provider="sshd", outcome="failure"),
        ],
    ),
    "databricks-audit": SourceTable(
        "version STRING, event_time TIMESTAMP, event_date DATE, workspace_id BIGINT, source_ip_address STRING, "
        "user_agent STRING, session_id STRING, user_identity STRUCT<email: STRING, subject_name: STRING>, "
        "service_name STRING, action_name STRING, request_id STRING, request_params MAP<STRING, STRING>, "
        "response STRUCT<status_code: INT, error_message: STRING, result: STRING>, audit_level STRING, account_id STRING, "
        "event_id STRING",
        [
            {"event_time": _AT % 16, "workspace_id": 77, "service_name": "accounts", "action_name": "tokenLogin",
             "user_identity": {"email": "a@acme.example"}, "response": {"status_code": 401}, "source_ip_address": "10.1.1.1",
             "request_params": {"tokenId": "t"}, "event_id": "1"},
            {"event_time": _AT % 17, "workspace_id": 77, "service_name": "secrets", "action_name": "getSecret",
             "user_identity": {"email": "a@acme.example"}, "response": {"status_code": 200}, "event_id": "2"},
        ],
        [
            _of_process(16, "auth", "logon_failed", endpoint="workspace-77", user="a@acme.example", src_ip="10.1.1.1",
                        provider="databricks-accounts", event_code="tokenLogin"),
            _of_process(17, "other", "getSecret", outcome="success", platform="linux"),
        ],
    ),
}  # fmt: skip
