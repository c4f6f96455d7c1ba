"""Edges of events: what each category and action draws between which nodes.

| event | edges |
| --- | --- |
| process created | parent -spawned-> process, process -executed-> its image |
| process ended | process -ended-> itself |
| process accessed, injected into, signalled | process -accessed/injected/performed-> target |
| file, pipe, share | process -wrote/read/deleted/connected_to-> file |
| module, driver | process -loaded-> file |
| script | process -executed-> script |
| network | process -connected_to/listened-> network, DNS: -resolved-> |
| registry | process -wrote/read/deleted-> registry |
| logon, account, group | source address -connected_to-> account, subject -logged_on/performed-> account |
| privilege, system call, anything else | subject -performed-> syscall |

An event draws at least one edge. The subject is its process; where it names none, its user.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.windows.nodes import (
    file_node,
    network_node,
    parent_node,
    registry_node,
    script_node,
    subject_node,
    syscall_node,
    target_node,
    user_node,
)

__all__ = ["with_edges"]

_DETAIL_CHARACTERS = 300
_READS = ("file_read", "object_accessed", "handle_requested", "share_file_accessed", "share_accessed", "disk_read")
_INJECTIONS = ("thread_created", "process_tampered", "process_injected")
_INBOUND = ("accepted", "listened")
_NODE = "STRUCT<id: STRING, type: STRING, label: STRING, text: STRING>"
_EDGES = f"ARRAY<STRUCT<src: {_NODE}, dst: {_NODE}, type: STRING, text: STRING>>"


def with_edges(events: DataFrame) -> DataFrame:
    """Add ``edges``: the array of an event's edges, each struct(src, dst, type, text) with whole nodes in it."""
    # nodes in a projection of their own: each stands in several edges, and Spark would compute it anew in each
    return events.withColumns(_nodes()).withColumn("_drawn", _drawn()).withColumn("edges", F.when(
        F.size("_drawn") > 0, F.col("_drawn")
    ).otherwise(F.array(_edge("_subject", "_other", F.lit("performed")))))  # fmt: skip


def _nodes() -> dict[str, Column]:
    category, action, nothing = F.col("category"), F.col("action"), F.lit(None).cast("string")
    detail = _detail()
    is_process, is_network = category == "process", category == "network"
    own_port = network_node(F.coalesce("dst_ip", "src_ip"), F.coalesce("dst_port", "src_port"), F.col("dst_domain"))
    return {
        "_detail": detail,
        "_subject": subject_node(),
        "_parent": F.when(is_process, parent_node()),
        "_target": F.when(is_process | (category == "syscall"), target_node()),
        "_image": F.when(is_process, file_node(F.col("process_path"))),
        "_file": file_node(F.col("file_path")),
        "_script": F.when(category == "script", script_node()),
        "_network": F.when(is_network & action.isin(*_INBOUND), own_port)
        .when(is_network, network_node(F.col("dst_ip"), F.col("dst_port"), F.col("dst_domain"))),
        "_peer": F.when(~is_network, network_node(F.col("src_ip"), F.lit(None).cast("int"), nothing)),
        "_registry": F.when(category == "registry", registry_node()),
        "_account": F.when(category == "auth", user_node(F.coalesce(F.col("fields")["TargetUserName"], F.col("user")))),
        "_other": syscall_node(
            F.coalesce("syscall", "privilege", F.concat_ws(":", "provider", "event_code")),
            F.concat_ws(" ", action, "privilege"),
        ),
    }  # fmt: skip


def _drawn() -> Column:
    category, action = F.col("category"), F.col("action")
    file_edge = (
        F.when(action.contains("delete"), "deleted")
        .when(action.isin(*_READS), "read")
        .when(action == "pipe_connected", "connected_to")
        .otherwise("wrote")
    )
    target_edge = (
        F.when(action.isin(*_INJECTIONS), "injected")
        .when(action == "process_accessed", "accessed")
        .otherwise("performed")
    )
    network_edge = (
        F.when(action == "dns_query", "resolved").when(action.isin(*_INBOUND), "listened").otherwise("connected_to")
    )
    created, ended = action == "process_created", action == "process_ended"
    drawn = (
        F.when(category == "process", F.when(created, F.array(
            _edge("_parent", "_subject", F.lit("spawned")), _edge("_subject", "_image", F.lit("executed"))))
            .when(ended, F.array(_edge("_subject", "_subject", F.lit("ended"))))
            .otherwise(F.array(_edge("_subject", "_target", target_edge), _edge("_subject", "_file", F.lit("wrote")))))
        .when(category == "file", F.array(
            _edge("_subject", "_file", file_edge), _edge("_peer", "_subject", F.lit("connected_to"))))
        .when(category == "module", F.array(_edge("_subject", "_file", F.lit("loaded"))))
        .when(category == "script", F.array(_edge("_subject", "_script", F.lit("executed"))))
        .when(category == "network", F.array(
            _edge("_subject", "_network", network_edge), _edge("_subject", "_file", F.lit("connected_to"))))
        .when(category == "registry", F.array(
            _edge("_subject", "_registry", file_edge), _edge("_subject", "_file", F.lit("wrote"))))
        .when(category == "auth", F.array(
            _edge("_subject", "_account", F.when(action.startswith("logon"), "logged_on").otherwise("performed")),
            _edge("_peer", "_account", F.lit("connected_to"))))
        .when(category == "syscall", F.array(
            _edge("_subject", "_target", F.lit("performed")), _edge("_subject", "_other", F.lit("performed"))))
    )  # fmt: skip
    return F.coalesce(F.array_compact(drawn), F.array().cast(_EDGES))


def _edge(src: str, dst: str, kind: Column) -> Column:
    """An edge, or null where an end is missing."""
    whole = F.col(src).isNotNull() & F.col(dst).isNotNull()
    return F.when(whole, F.struct(
        F.col(src).alias("src"), F.col(dst).alias("dst"), kind.alias("type"), F.col("_detail").alias("text")
    ))  # fmt: skip


def _detail() -> Column:
    """What sets this edge apart from others of its type: rights asked for, signature, logon type, failure."""
    said = F.concat_ws(
        " ",
        F.col("action"),
        F.concat(F.lit("privilege="), F.col("privilege")),
        F.concat(F.lit("signed="), F.col("is_signed").cast("string")),
        F.concat(F.lit("logon_type="), F.col("logon_type")),
        F.when(F.col("outcome") == "failure", F.lit("outcome=failure")),
    )
    return F.substring(said, 1, _DETAIL_CHARACTERS)
