"""The second peer: Polars, reading the same files to the same columns as the first one (``benchmarks.peer``), as zstd Parquet.

It does less than DuckDB does: it has no SHA-256, so ids are 64-bit hashes of the line, and no maps, so that ``fields`` is
a struct of the fields that the made-up telemetry has beside the columns'; and of auditd's numbers in hexadecimal nothing is
decoded.
"""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.telemetry import TENANT, Telemetry

__all__ = ["events_of", "write_events"]

# the fields that the made-up telemetry has, those of columns and the others; Polars must be told what a JSON object holds
_TAKEN = (
    "Application", "CommandLine", "DestAddress", "DestPort", "DestinationHostname", "DestinationIp",
    "DestinationPort", "Details", "GrantedAccess", "Hashes", "Image", "ImageLoaded", "IpAddress", "IpPort",
    "LogonType", "NewProcessId", "NewProcessName", "ObjectName", "ParentCommandLine", "ParentImage",
    "ParentProcessGuid", "ParentProcessId", "ParentProcessName", "Path", "ProcessGuid", "ProcessID", "ProcessId",
    "ProcessName", "Protocol", "QueryName", "ScriptBlockText", "Signed", "SourceAddress", "SourceImage", "SourceIp",
    "SourcePort", "SourceProcessGUID", "SourceProcessId", "SourceUser", "SubjectDomainName", "SubjectUserName",
    "TargetFilename", "TargetImage", "TargetObject", "TargetProcessGUID", "TargetProcessId", "User",
)  # fmt: skip
_REST = (
    "AccessList", "AccessMask", "AuthenticationPackageName", "CallTrace", "Company", "CreationUtcTime",
    "CurrentDirectory", "Description", "DestinationIsIpv6", "DestinationPortName", "Direction", "ElevatedToken",
    "EventType", "FileVersion", "FilterRTID", "HandleId", "Initiated", "IntegrityLevel", "KeyLength", "LayerName",
    "LayerRTID", "LogonGuid", "LogonId", "LogonProcessName", "MandatoryLabel", "MessageNumber", "MessageTotal",
    "ObjectServer", "ObjectType", "OriginalFileName", "ParentUser", "Product", "QueryResults", "QueryStatus",
    "RemoteMachineID", "RemoteUserID", "ResourceAttributes", "RuleName", "ScriptBlockId", "Signature",
    "SignatureStatus", "SourceHostname", "SourceIsIpv6", "SourcePortName", "SourceThreadId", "SubjectLogonId",
    "SubjectUserSid", "TargetDomainName", "TargetLogonId", "TargetUser", "TargetUserName", "TargetUserSid",
    "TerminalSessionId", "TokenElevationType", "UtcTime", "WorkstationName",
)  # fmt: skip
_DATA = (*_TAKEN, *_REST)
_RECORD = pl.Struct({
    "@timestamp": pl.String,
    "winlog": pl.Struct({
        "channel": pl.String, "provider_name": pl.String, "event_id": pl.Int64, "computer_name": pl.String,
        "keywords": pl.List(pl.String), "process": pl.Struct({"pid": pl.Int64}),
        "user": pl.Struct({"name": pl.String, "domain": pl.String}),
        "event_data": pl.Struct(dict.fromkeys(_DATA, pl.String)),
    }),
})  # fmt: skip
_CATEGORIES = {
    1: "process", 5: "process", 10: "process", 4688: "process", 7: "module", 11: "file", 4663: "file", 12: "registry",
    13: "registry", 3: "network", 22: "network", 5156: "network", 4624: "auth", 4104: "script",
}  # fmt: skip
_ACTIONS = {
    1: "process_created", 4688: "process_created", 5: "process_ended", 10: "process_accessed", 7: "module_loaded",
    11: "file_created", 4663: "object_accessed", 13: "registry_value_set", 22: "dns_query", 4624: "logon",
    4104: "script_block_created",
}  # fmt: skip
_KEY_ACTIONS = {
    "CreateKey": "registry_key_created", "DeleteKey": "registry_key_deleted", "DeleteValue": "registry_value_deleted",
}  # fmt: skip


def events_of(telemetry: Telemetry, kind: str) -> pl.LazyFrame:
    """The telemetry as rows of the main columns of ``events``, computed when they are asked for.

    Args:
        telemetry: files.
        kind: ``windows`` or ``auditd``.
    """
    lines = pl.scan_csv(
        list(telemetry.files), schema={"line": pl.String}, has_header=False, separator="\x07", quote_char=None
    )
    return _windows(lines) if kind == "windows" else _auditd(lines)


def write_events(telemetry: Telemetry, kind: str, target: Path, *, n_threads: int) -> int:
    """Read, convert and write.

    Args:
        telemetry: files.
        kind: ``windows`` or ``auditd``.
        target: Parquet file to write.
        n_threads: as many as Polars was loaded with (``POLARS_MAX_THREADS``), which cannot be changed later.

    Returns:
        Number of events.

    Raises:
        RuntimeError: Polars has another number of threads.
    """
    if pl.thread_pool_size() != n_threads:
        raise RuntimeError(f"Polars has {pl.thread_pool_size()} threads, not {n_threads}: set POLARS_MAX_THREADS first")
    events_of(telemetry, kind).sink_parquet(target, compression="zstd")
    return int(pl.scan_parquet(target).select(pl.len()).collect().item())


def _windows(lines: pl.LazyFrame) -> pl.LazyFrame:
    code = pl.col("event_id")
    named = (
        lines.select(_record_id("line"), pl.col("line").str.json_decode(_RECORD).alias("said"))
        .unnest("said").unnest("winlog").unnest("event_data")
        # a dash or nothing is no value
        .with_columns(pl.when(~pl.col(*_DATA).is_in(["", "-"])).then(pl.col(*_DATA)))
    )  # fmt: skip
    process_path = (
        pl.when(code == 4688).then("NewProcessName")
        .otherwise(pl.coalesce("Image", "SourceImage", "ProcessName", "Application"))
    )  # fmt: skip
    process_pid = (
        pl.when(code == 4688).then(_number("NewProcessId"))
        .when(code == 4104).then(pl.col("process").struct["pid"])
        .otherwise(pl.coalesce(*map(_number, ("ProcessId", "ProcessID", "SourceProcessId"))))
    )  # fmt: skip
    parent_path = pl.when(code == 4688).then("ParentProcessName").otherwise("ParentImage")
    is_audit = pl.col("provider_name").str.ends_with("Auditing")
    initiated = pl.when(pl.col("Initiated") == "false").then(pl.lit("accepted")).otherwise(pl.lit("connected"))
    direction = pl.when(pl.col("Direction") == "%%14592").then(pl.lit("accepted")).otherwise(pl.lit("connected"))
    action = (
        pl.when(code == 12).then(pl.col("EventType").replace_strict(_KEY_ACTIONS, default="registry_changed"))
        .when(code == 3).then(initiated)
        .when(code == 5156).then(direction)
        .otherwise(code.replace_strict(_ACTIONS, default=None, return_dtype=pl.String))
    )  # fmt: skip
    has = pl.col("keywords").list.contains
    return named.select(
        pl.col("record_id").alias("event_id"),
        pl.lit(TENANT).alias("tenant"),
        pl.col("computer_name").str.to_lowercase().alias("endpoint"),
        pl.lit("windows").alias("platform"),
        pl.col("@timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC").alias("ts"),
        _now(),
        pl.lit("winlogbeat").alias("source"),
        pl.col("provider_name").alias("provider"),
        "channel",
        code.cast(pl.String).alias("event_code"),
        code.replace_strict(_CATEGORIES, default="other").alias("category"),
        pl.coalesce(action, pl.format("event_{}", code)).alias("action"),
        pl.when(code == 22)
        .then(pl.when(pl.col("QueryStatus") == "0").then(pl.lit("success")).otherwise(pl.lit("failure")))
        .when(has("Audit Failure")).then(pl.lit("failure"))
        .when(has("Audit Success")).then(pl.lit("success")).alias("outcome"),
        pl.when(code == 4104).then(_joined(pl.col("user").struct["domain"], pl.col("user").struct["name"]))
        .when(code == 4624).then(_joined(pl.col("TargetDomainName"), pl.col("TargetUserName")))
        .when(is_audit).then(_joined(pl.col("SubjectDomainName"), pl.col("SubjectUserName")))
        .otherwise(pl.coalesce("User", "SourceUser")).alias("user"),
        process_pid.alias("process_pid"),
        _last(process_path, "\\").alias("process_name"),
        process_path.alias("process_path"),
        pl.col("CommandLine").alias("command_line"),
        pl.when(code == 4688).then(_number("ProcessId")).otherwise(_number("ParentProcessId")).alias("parent_pid"),
        _last(parent_path, "\\").alias("parent_name"),
        parent_path.alias("parent_path"),
        pl.col("ParentCommandLine").alias("parent_command_line"),
        _number("TargetProcessId").alias("target_pid"),
        _last(pl.col("TargetImage"), "\\").alias("target_name"),
        pl.col("TargetImage").alias("target_path"),
        pl.when(code == 11).then("TargetFilename").when(code == 7).then("ImageLoaded").when(code == 4663)
        .then("ObjectName").when(code == 4104).then("Path").alias("file_path"),
        pl.col("Hashes").alias("file_hash"),
        pl.col("ScriptBlockText").alias("script_text"),
        pl.coalesce("DestinationIp", "DestAddress").alias("dst_ip"),
        pl.coalesce("DestinationPort", "DestPort").cast(pl.Int32, strict=False).alias("dst_port"),
        pl.coalesce("DestinationHostname", "QueryName").alias("dst_domain"),
        pl.coalesce("SourceIp", "SourceAddress", "IpAddress").alias("src_ip"),
        pl.coalesce("SourcePort", "IpPort").cast(pl.Int32, strict=False).alias("src_port"),
        pl.col("Protocol").str.to_lowercase().replace({"6": "tcp", "17": "udp"}).alias("protocol"),
        pl.col("TargetObject").alias("registry_key"),
        pl.when(code == 13).then("Details").alias("registry_value"),
        pl.col("LogonType").alias("logon_type"),
        pl.col("GrantedAccess").alias("privilege"),
        ((pl.col("Signed") == "true") & (pl.col("SignatureStatus").str.to_lowercase().fill_null("valid") == "valid"))
        .alias("is_signed"),
        pl.coalesce("ProcessGuid", "SourceProcessGUID").str.to_lowercase().alias("process_guid"),
        pl.col("ParentProcessGuid").str.to_lowercase().alias("parent_guid"),
        pl.col("TargetProcessGUID").str.to_lowercase().alias("target_guid"),
        "record_id",
        pl.concat_list("record_id").alias("record_ids"),
        pl.struct(*_REST).alias("fields"),
    )  # fmt: skip


def _auditd(lines: pl.LazyFrame) -> pl.LazyFrame:
    line, kind = pl.col("line"), pl.col("type")
    heads = lines.select(
        "line",
        _record_id("line"),
        line.str.extract_groups(
            r"^(?:node=(?<endpoint>\S+) )?type=(?<type>\w+) msg=audit\((?<stamp>\d+\.\d+):(?<serial>\d+)\):"
        ).alias("head"),
    ).unnest("head")
    is_user = kind.str.contains("^(?:USER_|CRED_|LOGIN$)")
    # each kind of record by the one expression that it needs
    records = heads.with_columns(
        pl.when(kind == "SYSCALL").then(line).str.extract_groups(
            r' success=(?<outcome>\w+) .* ppid=(?<ppid>\d+) pid=(?<pid>\d+) .* comm=(?<comm>\S+) exe="?(?<exe>[^" ]*)"? '
            r'.*SYSCALL=(?<call>\S+) AUID="[^"]*" UID="(?<user>[^"]*)"'
        ).alias("called"),
        pl.when(kind == "EXECVE").then(line).str.extract_all(r' a\d+=(?:"[^"]*"|\S+)').alias("arguments"),
        pl.when(kind == "SOCKADDR").then(line).str.extract_groups(r"laddr=(?<ip>\S+) lport=(?<port>\d+)").alias("address"),
        pl.when(kind == "PATH").then(line).str.extract(r' item=(\d name="?[^" ]*)').alias("item"),
        pl.when(kind == "CWD").then(line).str.extract(r' cwd="?([^" ]*)').alias("folder"),
        pl.when(is_user).then(line).str.extract_groups(
            r' pid=(?<pid>\d+) .*? acct="?(?<user>[^" ]*)"? exe="?(?<exe>[^" ]*)"? .*res=(?<outcome>\w+)'
        ).alias("told"),
    )  # fmt: skip

    def first(column: str, of: str) -> pl.Expr:
        return pl.col(column).struct[of].drop_nulls().first()

    events = records.group_by("endpoint", "stamp", "serial").agg(
        pl.col("record_id").sort().alias("record_ids"),
        pl.coalesce(
            kind.filter(kind == "SYSCALL").first(), kind.filter(pl.col("record_id") == pl.col("record_id").min()).first()
        ).alias("event_code"),
        pl.col("arguments").drop_nulls().first(),
        # the last item is what was made or changed; those before are its folders
        pl.col("item").filter(~pl.col("item").str.contains("(null)", literal=True)).max()
        .str.replace(r'^\d name="?', "").alias("path"),
        pl.col("folder").drop_nulls().first(),
        *[first("called", name).alias(f"called_{name}") for name in ("outcome", "ppid", "pid", "comm", "exe", "call", "user")],
        *[first("told", name).alias(f"told_{name}") for name in ("pid", "user", "exe", "outcome")],
        *[first("address", name).alias(f"address_{name}") for name in ("ip", "port")],
    )  # fmt: skip
    call, path = pl.col("called_call"), pl.col("path")
    process_path = pl.coalesce(_something("called_exe"), _something("told_exe"))
    is_out = call == "connect"
    outcomes = {"yes": "success", "success": "success", "no": "failure", "failed": "failure"}
    is_file = call.str.contains("open|unlink|rename|chmod|chown|link|^mk|^creat$|^rmdir$|^truncate$")
    return events.select(
        pl.concat_str("endpoint", "stamp", "serial", separator="\x01").hash().alias("event_id"),
        pl.lit(TENANT).alias("tenant"),
        pl.col("endpoint").str.to_lowercase(),
        pl.lit("linux").alias("platform"),
        (pl.col("stamp").str.replace(".", "", literal=True).cast(pl.Int64) * 1000)
        .cast(pl.Datetime("us", "UTC")).alias("ts"),
        _now(),
        pl.lit("auditd").alias("source"),
        pl.lit("auditd").alias("provider"),
        "event_code",
        pl.when(call.is_in(["execve", "execveat"])).then(pl.lit("process"))
        .when(call.is_in(["connect", "bind", "accept", "accept4"])).then(pl.lit("network"))
        .when(is_file).then(pl.lit("file"))
        .when(pl.col("event_code") == "SYSCALL").then(pl.lit("syscall"))
        .when(pl.col("told_pid").is_not_null()).then(pl.lit("auth")).otherwise(pl.lit("other")).alias("category"),
        pl.coalesce(call, "event_code").str.to_lowercase().alias("action"),
        pl.coalesce("called_outcome", "told_outcome").replace_strict(outcomes, default=None).alias("outcome"),
        pl.coalesce("called_user", "told_user").alias("user"),
        pl.coalesce("called_pid", "told_pid").cast(pl.Int64, strict=False).alias("process_pid"),
        pl.coalesce(_last(process_path, "/"), pl.col("called_comm").str.strip_chars('"')).alias("process_name"),
        process_path.alias("process_path"),
        pl.col("arguments").list.eval(pl.element().str.replace(r'^ a\d+="?', "").str.strip_chars_end('"'))
        .list.join(" ").alias("command_line"),
        pl.col("called_ppid").cast(pl.Int64, strict=False).alias("parent_pid"),
        pl.when(path.str.starts_with("/")).then(path)
        .when(path != "").then(pl.concat_str("folder", path, separator="/", ignore_nulls=True)).alias("file_path"),
        pl.when(is_out).then(_something("address_ip")).alias("dst_ip"),
        pl.when(is_out).then(pl.col("address_port").cast(pl.Int32, strict=False)).alias("dst_port"),
        pl.when(~is_out).then(_something("address_ip")).alias("src_ip"),
        pl.when(~is_out).then(pl.col("address_port").cast(pl.Int32, strict=False)).alias("src_port"),
        call.alias("syscall"),
        pl.col("record_ids").list.first().alias("record_id"),
        "record_ids",
    )  # fmt: skip


def _record_id(name: str) -> pl.Expr:
    return pl.col(name).hash().alias("record_id")


def _now() -> pl.Expr:
    return pl.lit(datetime.now(UTC)).alias("ingested_at")


def _number(name: str) -> pl.Expr:
    """A number in decimal or, with 0x before it, in hexadecimal; null for anything else."""
    text = pl.col(name)
    is_hex = text.str.starts_with("0x")
    read = pl.when(is_hex).then(text.str.slice(2)).str.to_integer(base=16, strict=False)
    return pl.when(is_hex).then(read).otherwise(text.cast(pl.Int64, strict=False))


def _last(path: pl.Expr, separator: str) -> pl.Expr:
    return path.str.split(separator).list.last()


def _joined(domain: pl.Expr, name: pl.Expr) -> pl.Expr:
    return _something(pl.concat_str(domain, name, separator="\\", ignore_nulls=True))


def _something(text: str | pl.Expr) -> pl.Expr:
    column = pl.col(text) if isinstance(text, str) else text
    return pl.when(column != "").then(column)
