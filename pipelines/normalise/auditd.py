"""Audit events from audit records: the records of one stamp put together and mapped to ``events``.

Everything here is a function of the set of an event's records; which micro-batch or file brought them does not matter.
"""

import json
from functools import cache, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, distinct_neighbours, runs, unpacked
from pipelines.normalise.auditd_syscalls import ACTIONS, ARCHITECTURES, syscall_numbers
from pipelines.normalise.clocks import clock_fields
from pipelines.normalise.identity import content_id
from pipelines.normalise.whole_audit import WHOLE, whole_audit

__all__ = ["AUDIT", "auditd_events"]

AUDIT = ("auditd", *WHOLE)

_PARSER = "1"
# records that only add to another; an event takes its code from any other kind first
_ADDITIONS = ("CWD", "PATH", "PROCTITLE", "EXECVE", "SOCKADDR", "EOE", "OBJ_PID", "BPRM_FCAPS", "UNKNOWN[1420]")
_OPENS = {"open": "a1", "openat": "a2", "openat2": "", "open_by_handle_at": "a2"}
_PREFIX_ACTIONS = {
    "USER_LOGIN": "logon", "USER_START": "logon_session", "LOGIN": "logon_uid_set", "USER_AUTH": "logon_authenticated",
    "USER_ACCT": "logon_accounted", "CRED_ACQ": "logon_credentials", "USER_LOGOUT": "logoff", "USER_END": "logoff",
    "CRED_DISP": "logoff_credentials", "CRED_REFR": "credentials_refreshed", "USER_CMD": "user_command",
    "USER_ERR": "logon_error", "USER_CHAUTHTOK": "account_password_changed", "USER_MGMT": "account_changed",
    "ADD_USER": "account_created", "DEL_USER": "account_deleted", "ADD_GROUP": "group_created",
    "DEL_GROUP": "group_deleted", "GRP_MGMT": "group_changed", "ACCT_LOCK": "account_locked",
    "ACCT_UNLOCK": "account_unlocked", "USER_ROLE_CHANGE": "account_role_changed", "CHUSER_ID": "account_switched",
}  # fmt: skip
_NO_SOCKET = "CAST(NULL AS STRUCT<ip: STRING, port: INT, path: STRING>)"
_EMPTY = "CAST(map() AS MAP<STRING, STRING>)"


def auditd_events(parsed: DataFrame, formats: frozenset[str] = frozenset(AUDIT)) -> DataFrame:
    """Rows of `EVENTS` (keys of processes not yet filled), one an audit stamp and endpoint.

    Args:
        parsed: `parse_records` output of the sources `AUDIT`, in any order; equal records count once.
        formats: those of `AUDIT` that are among them, or more; at least one.
    """
    is_whole = F.col("source").isin(*WHOLE)
    if formats.isdisjoint(WHOLE):
        return _mapped(_whole_events(parsed))
    if formats.issubset(WHOLE):
        return _mapped(whole_audit(parsed))
    return _mapped(_whole_events(parsed.where(~is_whole)).unionByName(whole_audit(parsed.where(is_whole))))


def _whole_events(parsed: DataFrame) -> DataFrame:
    """One row an event: its records gathered by kind."""
    code, data = F.col("event_code"), F.col("data")

    def first(kind: str, column: str = "data") -> Column:
        return F.expr(f"min_by({column}, record_id) FILTER (WHERE event_code = '{kind}')")

    is_main = ~code.isin(*_ADDITIONS)
    return (
        parsed.groupBy("tenant", "endpoint", "group_key")
        .agg(
            # not a filter before: it would be pushed below the parser, which would then run twice
            F.max("reason").alias("_reason"),
            F.min("ts").alias("ts"),
            F.min("received_at").alias("ingested_at"),
            F.array_sort(F.collect_set("record_id")).alias("record_ids"),
            F.array_sort(F.collect_set("event_code")).alias("_kinds"),
            first("SYSCALL").alias("_sys"),
            first("PROCTITLE", "data['proctitle']").alias("_title"),
            first("CWD", "data['cwd']").alias("_cwd"),
            first("SOCKADDR", "data['saddr']").alias("_saddr"),
            first("OBJ_PID").alias("_obj"),
            F.min_by(F.when(is_main, data), F.when(is_main & (code != "SYSCALL"), F.concat(code, "record_id"))).alias(
                "_main"
            ),
            F.min(F.when(is_main & (code != "SYSCALL"), code)).alias("_main_code"),
            F.flatten(F.collect_set(F.when(code == "EXECVE", F.map_entries("data")))).alias("_args"),
            F.array_sort(
                F.collect_set(
                    F.when(
                        code == "PATH",
                        F.struct(
                            F.expr("try_cast(data['item'] AS INT)").alias("item"),
                            data["name"].alias("name"),
                            data["nametype"].alias("nametype"),
                        ),
                    )
                )
            ).alias("_paths"),
        )
        .where(F.col("_reason").isNull())
        .drop("_reason")
        .withColumns({"source": F.lit("auditd"), "_socket": F.expr(_NO_SOCKET)})
    )


def _mapped(whole: DataFrame) -> DataFrame:
    for step in (_named_columns, _action_columns):
        whole = whole.withColumns(step())
    return whole.select(*_event_columns())


# The columns of a step are the same for all rows and made once a process: each is dozens of calls into Java.


@cache
def _named_columns() -> dict[str, Column]:
    system = F.col("_sys")
    arch = _lookup(ARCHITECTURES, system["arch"])
    numbered = _lookup(syscall_numbers(), F.concat_ws(":", arch, system["syscall"]))
    code = F.when(system.isNotNull(), "SYSCALL").otherwise(F.coalesce("_main_code", F.get("_kinds", F.lit(0))))
    return {
        "syscall": F.coalesce(system["SYSCALL"], numbered, system["syscall"]),
        "_own": F.coalesce("_sys", "_main", F.expr(_EMPTY)),
        "event_code": code,
        "_object": _object_path(),
        "_command": _arguments(),
    }


@cache
def _action_columns() -> dict[str, Column]:
    is_user = F.col("event_code").isin(*_PREFIX_ACTIONS) & F.col("_sys").isNull()
    return {"_action": _action(), "_is_user": is_user, "_peer": F.coalesce("_socket", _address())}


@cache
def _event_columns() -> tuple[Column | str, ...]:
    own, category, name = F.col("_own"), F.col("_action")[0], F.col("_action")[1]
    path = F.when(name == "process_created", F.coalesce(own["exe"], _first_path())).otherwise(own["exe"])
    outcome = F.coalesce(own["success"], own["res"])
    failed = outcome.isin("no", "failed", "0")
    target = (
        F.when(F.col("_obj").isNotNull(), F.expr("try_cast(_obj['opid'] AS BIGINT)"))
        .when(F.col("syscall") == "ptrace", _hex("a1"))
        .when(F.col("syscall").isin("kill", "tkill", "process_vm_readv", "process_vm_writev"), _hex("a0"))
        .when(F.col("syscall") == "tgkill", _hex("a0"))
    )
    user = F.coalesce(own["UID"], own["uid"])
    peer = F.col("_peer")
    is_in = name.isin("accepted", "listened")
    command = F.when(name == "process_created", F.coalesce("_command", own["cmdline"], "_title")).when(
        name == "user_command", own["cmd"]
    )
    ids = [F.concat(F.lit(f"{key}="), F.coalesce(own[key.upper()], own[key])) for key in ("auid", "uid", "euid")]
    privilege = F.when(name == "privilege_changed", F.concat_ws(" ", "syscall", *ids))
    return (
        content_id("tenant", "endpoint", "source", "group_key").alias("event_id"),
        "tenant",
        "endpoint",
        F.lit("linux").alias("platform"),
        "ts",
        "ingested_at",
        "source",
        F.lit("auditd").alias("provider"),
        "event_code",
        category.alias("category"),
        F.when(failed & (name == "logon"), "logon_failed").otherwise(name).alias("action"),
        F.when(failed, "failure").when(outcome.isin("yes", "success", "1"), "success").alias("outcome"),
        F.when(F.col("_is_user"), F.coalesce(own["acct"], own["ID"], own["id"], own["AUID"], own["auid"], user))
        .otherwise(user)
        .alias("user"),
        F.expr("try_cast(_own['pid'] AS BIGINT)").alias("process_pid"),
        F.expr("try_cast(_own['ppid'] AS BIGINT)").alias("parent_pid"),
        path.alias("process_path"),
        F.coalesce(_file_name(path), own["comm"]).alias("process_name"),
        command.alias("command_line"),
        target.alias("target_pid"),
        F.col("_obj")["ocomm"].alias("target_name"),
        F.when(category == "network", peer["path"])
        .when(name != "process_created", F.col("_object"))
        .alias("file_path"),
        F.when(~is_in, peer["ip"]).alias("dst_ip"),
        F.when(~is_in, peer["port"]).alias("dst_port"),
        F.when(is_in, peer["ip"]).otherwise(F.when(F.col("_is_user"), own["addr"])).alias("src_ip"),
        F.when(is_in, peer["port"]).alias("src_port"),
        F.when(F.col("_sys").isNotNull(), F.col("syscall")).alias("syscall"),
        privilege.alias("privilege"),
        F.when(F.col("_is_user"), own["terminal"]).alias("logon_type"),
        F.element_at("record_ids", 1).alias("record_id"),
        "record_ids",
        F.lit(_PARSER).alias("parser_version"),
        _fields().alias("fields"),
    )


def _action() -> Column:
    """Category and action, in this order."""
    syscall, code = F.col("syscall"), F.col("event_code")
    flags = reduce(lambda other, item: F.when(syscall == item[0], F.col("_own")[item[1]]).otherwise(other),
                   [(name, key) for name, key in _OPENS.items() if key], F.lit(None).cast("string"))  # fmt: skip
    # O_ACCMODE is the last two bits, so the last hex digit tells; 0 only reads
    writes = F.coalesce(~F.right(flags, F.lit(1)).isin("0", "4", "8", "c", "C"), F.lit(False))
    created = F.exists("_paths", lambda path: path["nametype"] == "CREATE")
    opened = F.when(created, "file_created").when(writes, "file_written").otherwise("file_read")
    named = {name: f"{category}/{action}" for name, (category, action) in ACTIONS.items()}
    by_call = F.coalesce(
        _lookup(named, syscall), F.concat(F.lit("syscall/"), F.coalesce(F.lower(syscall), F.lit("unknown")))
    )
    by_type = F.coalesce(
        F.concat(F.lit("auth/"), _lookup(_PREFIX_ACTIONS, code)), F.concat(F.lit("other/event_"), F.lower(code))
    )
    is_call = code == "SYSCALL"
    failed_exec = is_call & syscall.isin("execve", "execveat") & (F.col("_own")["success"] == "no")
    told = (
        F.when(failed_exec, "syscall/execution_failed")
        .when(is_call & syscall.isin(*_OPENS), F.concat(F.lit("file/"), opened))
        .when(is_call, by_call)
        .otherwise(by_type)
    )
    return F.split(told, "/")


def _object_path() -> Column:
    """The path acted upon: the last of what was created, deleted or named (a rename's new name), made absolute."""
    named = F.filter(
        "_paths", lambda path: path["name"].isNotNull() & ~F.coalesce(path["nametype"], F.lit("")).isin("PARENT")
    )
    created = F.filter(named, lambda path: path["nametype"] == "CREATE")
    chosen = F.coalesce(F.try_element_at(created, F.lit(-1)), F.try_element_at(named, F.lit(1)))["name"]
    return F.when(chosen.startswith("/") | F.col("_cwd").isNull(), chosen).otherwise(
        F.concat(F.rtrim(F.col("_cwd"), F.lit("/")), F.lit("/"), chosen)
    )


def _first_path() -> Column:
    return F.try_element_at(F.filter("_paths", lambda path: path["item"] == 0), F.lit(1))["name"]


def _arguments() -> Column:
    """The words of EXECVE records as one command line; words with spaces or quotes stand in single quotes.

    A long word comes in numbered pieces (``a1[0]``, ``a1[1]``), a long list in several records.
    """
    pieces = F.transform(
        F.filter("_args", lambda arg: F.rlike(arg["key"], F.lit(r"^a\d{1,7}(\[\d{1,7}\])?$"))),
        lambda arg: F.struct(
            F.regexp_extract(arg["key"], r"^a(\d+)", 1).cast("int").alias("word"),
            F.coalesce(F.nullif(F.regexp_extract(arg["key"], r"\[(\d+)\]", 1), F.lit("")), F.lit("0")).cast("int").alias("piece"),
            arg["value"].alias("text"),
        ),
    )  # fmt: skip
    words = computed_once(
        distinct_neighbours(F.sort_array(pieces)),  # records of one event may tell the same piece
        lambda ordered: F.transform(runs(ordered, "word"), lambda run: _text(ordered, run["first"], run["last"])),
    )
    quoted = F.transform(
        words,
        lambda word: F.when(
            (F.length(word) == 0) | F.rlike(word, F.lit(r"[\s'\"]")),
            F.concat(F.lit("'"), F.replace(word, F.lit("'"), F.lit("'\\''")), F.lit("'")),
        ).otherwise(word),
    )
    return F.nullif(F.array_join(quoted, " "), F.lit(""))


def _text(pieces: Column, first: Column, last: Column) -> Column:
    """The text of the pieces from position ``first`` to ``last``."""
    together = F.array_join(F.transform(F.sequence(first, last), lambda at: F.get(pieces, at)["text"]), "")
    return F.when(first == last, F.get(pieces, first)["text"]).otherwise(together)


def _address() -> Column:
    """SOCKADDR's address as struct(ip, port, path)."""
    saddr = F.col("_saddr")
    family = F.substring(saddr, 1, 4)
    port = F.conv(F.substring(saddr, 5, 4), 16, 10).cast("int")
    v4 = F.concat_ws(".", *[F.conv(F.substring(saddr, start, 2), 16, 10) for start in (9, 11, 13, 15)])
    groups = F.concat_ws(":", *[F.lower(F.substring(saddr, start, 4)) for start in range(17, 49, 4)])
    mapped = F.concat_ws(".", *[F.conv(F.substring(saddr, start, 2), 16, 10) for start in (41, 43, 45, 47)])
    v6 = (
        F.when(groups == "0000:0000:0000:0000:0000:0000:0000:0001", "::1")
        .when(groups == "0000:0000:0000:0000:0000:0000:0000:0000", "::")
        .when(groups.startswith("0000:0000:0000:0000:0000:ffff:"), mapped)
        .otherwise(groups)
    )
    hex_path = F.substring(saddr, F.lit(5), F.length(saddr))
    unix = F.translate(F.make_valid_utf8(F.unhex(hex_path).cast("string")), "\u0000", "")
    inet, inet6 = (family == "0200") & (F.length(saddr) >= 16), (family == "0A00") & (F.length(saddr) >= 48)
    return F.struct(
        F.when(inet, v4).when(inet6, v6).alias("ip"),
        F.when(inet | inet6, port).alias("port"),
        F.when(family == "0100", F.nullif(unix, F.lit(""))).alias("path"),
    )


def _fields() -> Column:
    """What no column holds: the main record's other pairs, and the event's paths, directory and title."""
    mapped = ("pid", "ppid", "exe", "success", "res", "SYSCALL", "acct", "addr", "terminal", "msg")
    # a record's own names that begin like those below get another underscore, so that none takes another's place
    told = F.map_filter(unpacked(F.col("_own")), lambda key, value: value.isNotNull() & ~key.isin(*mapped))
    marked = F.transform_keys(told, lambda key, _: F.when(_is_marked(key), F.concat(F.lit("_"), key)).otherwise(key))
    # few events have such a name, and one text is looked through faster than each key
    names_told = F.array_join(F.map_keys("_own"), " ")
    own = F.when(_is_marked(names_told) | F.contains(names_told, F.lit(" _")), marked).otherwise(told)
    names = F.transform(F.filter("_paths", lambda path: path["name"].isNotNull()), lambda path: path["name"])
    more = F.map_filter(
        F.create_map(
            F.lit("_cwd"), F.col("_cwd"),
            F.lit("_proctitle"), F.col("_title"),
            F.lit("_paths"), F.nullif(F.array_join(names, "\n"), F.lit("")),
            F.lit("_saddr"), F.col("_saddr"),
            F.lit("_command"), F.when(F.col("_sys").isNull(), F.col("_command")),
            F.lit("_records"), F.array_join("_kinds", " "),
        ),
        lambda _, value: value.isNotNull(),
    )  # fmt: skip
    rest = F.map_concat(own, more, clock_fields(F.col("ts"), F.col("ingested_at")))
    # the other records of an event whose own one is a system call, under their type
    main = F.when(F.col("_sys").isNotNull() & F.col("_main").isNotNull(), _under(F.col("_main_code"), F.col("_main")))
    target = F.when(F.col("_obj").isNotNull(), _under(F.lit("OBJ_PID"), F.col("_obj")))
    return F.map_concat(rest, F.coalesce(main, F.expr(_EMPTY)), F.coalesce(target, F.expr(_EMPTY)))


def _is_marked(key: Column) -> Column:
    return F.startswith(key, F.lit("_"))


def _under(kind: Column, data: Column) -> Column:
    return F.transform_keys(unpacked(data), lambda key, _: F.concat(F.lower(kind), F.lit("."), key))


def _hex(key: str) -> Column:
    # `conv` fails on overflow, so only what fits goes in
    value = F.col("_own")[key]
    return F.when(F.rlike(value, F.lit("^[0-9a-fA-F]{1,16}$")), F.conv(value, 16, 10)).try_cast("bigint")


def _file_name(path: Column) -> Column:
    return F.element_at(F.split(path, "/"), -1)


def _lookup(table: dict[str, str], key: Column) -> Column:
    # a constant, read once by the optimiser: a map made of hundreds of literals is slow to plan
    return F.try_element_at(F.from_json(F.lit(json.dumps(table)), "map<string,string>"), key)
