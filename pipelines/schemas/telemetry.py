"""Tables of what came in: ``raw``, ``quarantine``, ``events``."""

import pyarrow as pa

from pipelines.schemas.fields import TIMESTAMP, column, strings

__all__ = ["EVENTS", "EVENT_CATEGORIES", "PLATFORMS", "PROCESS_MARKS", "QUARANTINE", "RAW"]

PLATFORMS = ("windows", "linux")
EVENT_CATEGORIES = (
    "process", "file", "script", "network", "syscall", "registry", "auth", "module", "other",
)  # fmt: skip

_RECEIVED = [
    column("tenant", pa.string(), "customer or business unit; never mixed with another's", required=True),
    column("received_at", TIMESTAMP, "when Logster read the record", required=True),
    column("record_id", pa.string(), "made of tenant, endpoint hint, clock offset and record, 32 hex digits: equal lines "
           "share it", required=True),
    column("source", pa.string(), "format that the record was recognised as; `unknown` where none", required=True),
    column("origin", pa.string(), "`<file>#<byte offset>`, or `<topic>/<partition>/<offset>`, and `#<line>` of its value "
           "where each is a record", required=True),
    column("endpoint_hint", pa.string(), "endpoint named at ingestion, for records that carry none"),
    column("clock_offset_seconds", pa.int64(), "added to the record's own time, as told at ingestion"),
    column("batch_id", pa.string(), "micro-batch that wrote the row, `<stream>/<number>`", required=True),
    column("source_problem", pa.string(), "why the source could not read the line whole; null where it could"),
    column("record", pa.string(), "the line as received (invalid UTF-8 replaced, see `source_problem`)", required=True),
]  # fmt: skip

RAW = pa.schema(_RECEIVED)

QUARANTINE = pa.schema(
    [
        *_RECEIVED,
        column("reason", pa.string(), "why the record could not be read", required=True),
        column("parser_version", pa.string(), "version of the parsers that refused it", required=True),
    ]
)

EVENTS = pa.schema(
    [
        column(
            "event_id",
            pa.string(),
            "made of the records' contents, 32 hex digits: the same telemetry gives the same id",
            required=True,
        ),
        column("tenant", pa.string(), "customer or business unit", required=True),
        column("endpoint", pa.string(), "machine that the event happened on, lower case", required=True),
        column("platform", pa.string(), "`windows` or `linux`", required=True),
        column(
            "ts", TIMESTAMP, "when it happened, by the record's own clock plus the source's correction", required=True
        ),
        column("ingested_at", TIMESTAMP, "when its first record was read", required=True),
        column("source", pa.string(), "format of the record", required=True),
        column("provider", pa.string(), "who logged it, e.g. `Microsoft-Windows-Sysmon`, `auditd`", required=True),
        column("channel", pa.string(), "Windows channel"),
        column("event_code", pa.string(), "the provider's number or, for auditd, the record type", required=True),
        column("category", pa.string(), "one of `EVENT_CATEGORIES`", required=True),
        column("action", pa.string(), "what was done, e.g. `process_created`, `file_written`", required=True),
        column("outcome", pa.string(), "`success` or `failure`, null where the record does not say"),
        column("user", pa.string(), "account that acted, `DOMAIN\\name` or Unix name"),
        column(
            "process_key",
            pa.string(),
            "the acting process: its GUID, or a key made of pid and start that survives reuse",
        ),
        column("process_pid", pa.int64(), "its pid"),
        column("process_name", pa.string(), "file name of its image"),
        column("process_path", pa.string(), "path of its image"),
        column("command_line", pa.string(), "its command line"),
        column("parent_key", pa.string(), "key of its parent"),
        column("parent_pid", pa.int64(), "pid of its parent"),
        column("parent_name", pa.string(), "file name of its parent's image"),
        column("parent_path", pa.string(), "path of its parent's image"),
        column("parent_command_line", pa.string(), "command line of its parent"),
        column("target_key", pa.string(), "key of the process acted upon (access, injection, ptrace, kill)"),
        column("target_pid", pa.int64(), "pid of the process acted upon"),
        column("target_name", pa.string(), "file name of the image acted upon"),
        column("target_path", pa.string(), "path of the image acted upon"),
        column("file_path", pa.string(), "file, module, pipe, share path or device"),
        column("file_hash", pa.string(), "hashes as the record gives them"),
        column("script_text", pa.string(), "text of a script block, parts joined"),
        column("dst_ip", pa.string(), "destination address"),
        column("dst_port", pa.int32(), "destination port"),
        column("dst_domain", pa.string(), "destination or queried name"),
        column("src_ip", pa.string(), "source address"),
        column("src_port", pa.int32(), "source port"),
        column("protocol", pa.string(), "`tcp`, `udp`, …"),
        column("registry_key", pa.string(), "registry key and value name"),
        column("registry_value", pa.string(), "data written"),
        column("syscall", pa.string(), "name of the system call"),
        column("logon_type", pa.string(), "Windows logon type number"),
        column("privilege", pa.string(), "privileges used or granted, or rights asked for"),
        column("is_signed", pa.bool_(), "module signature is valid"),
        column("process_guid", pa.string(), "the provider's own process id, lower case, braces kept"),
        column("parent_guid", pa.string(), "the provider's own id of the parent"),
        column("target_guid", pa.string(), "the provider's own id of the target"),
        column(
            "record_id", pa.string(), "record that it was read from (the first by `record_ids` order)", required=True
        ),
        column("record_ids", strings(), "all records that it was read from, sorted", required=True),
        column("parser_version", pa.string(), "version of the parsers that made it", required=True),
        column("fields", pa.map_(pa.string(), pa.string()), "everything else that the record holds"),
    ]
)

PROCESS_MARKS = pa.schema(
    [
        column("event_id", pa.string(), "event that marks the start or end of a process", required=True),
        column("tenant", pa.string(), "customer or business unit", required=True),
        column("endpoint", pa.string(), "machine, lower case", required=True),
        column("platform", pa.string(), "`windows` or `linux`", required=True),
        column("pid", pa.int64(), "the process's pid", required=True),
        column("ts", TIMESTAMP, "when it started (or replaced its image), or ended", required=True),
        column("mark", pa.string(), "`start` or `end`", required=True),
        column("guid", pa.string(), "the provider's own process id, where it gives one"),
        column("ppid", pa.int64(), "pid of its parent"),
        column("path", pa.string(), "path of its image"),
        column("command_line", pa.string(), "its command line"),
    ]
)
