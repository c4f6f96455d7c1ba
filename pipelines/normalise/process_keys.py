"""Keys of processes that records name by pid alone, so that a pid that comes back is another process.

A pid's life on an endpoint is cut into generations by the starts and ends that were recorded (`process_marks`); a key
names the generation in which an event lies. Everything is a function of the sets of events and marks, so that late
marks only need those of `stale_ids` to be keyed again.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.lake import conform
from pipelines.normalise.auditd import AUDIT
from pipelines.schemas.tables import table_named

__all__ = ["names_pids", "process_marks", "stale_ids", "unnamed_pids", "with_process_keys"]

_SECOND = 1_000_000  # microseconds
_SAME_IMAGE_CHAIN = 60 * _SECOND  # Linux: an exec so soon after another by the same parent's child replaces its image
_SAME_START = 2 * _SECOND  # Windows: Sysmon and Security tell of one start a moment apart
_STALE_REACH = 60 * _SECOND
_PID = ["tenant", "endpoint", "pid"]
_ROLES = ("process", "parent", "target")


def process_marks(events: DataFrame) -> DataFrame:
    """Rows of `PROCESS_MARKS`: the starts and ends of processes that events tell of."""
    is_start = F.col("action") == "process_created"
    marks = events.where(
        F.col("action").isin("process_created", "process_ended") & F.col("process_pid").isNotNull()
    ).select(
        "event_id", "tenant", "endpoint", "platform", F.col("process_pid").alias("pid"), "ts",
        F.when(is_start, "start").otherwise("end").alias("mark"),
        F.col("process_guid").alias("guid"),
        F.col("parent_pid").alias("ppid"),
        F.when(is_start, F.col("process_path")).alias("path"),
        F.when(is_start, F.col("command_line")).alias("command_line"),
    )  # fmt: skip
    return conform(marks, table_named("process_marks"))


def with_process_keys(events: DataFrame, marks: DataFrame, *, are_few: bool = False) -> DataFrame:
    """Fill ``process_key``, ``parent_key``, ``target_key``; for auditd also what only other events tell.

    A key is the provider's own id where the event gives one. Else it is that of the generation of the pid that the
    event's time lies in: the id of a provider that recorded its start, or ``<endpoint>/<pid>@<start>`` with the start
    in microseconds since 1970 (0 where none was recorded). Events of auditd take their parent's path and command line,
    and their own command line, from the last start recorded of the pid. Applying it again changes nothing.

    Args:
        events: rows of `EVENTS`, one an event_id.
        marks: `process_marks` of at least all events of their `unnamed_pids` up to the latest event; doubles do not
            matter.
        are_few: whether what is found for events with `unnamed_pids` may be held whole by driver and executors, so that
            the events stay where they are. Spark takes it for as large as all marks, and would move every event.
    """
    found = _found(_lookups(events), _spans(marks))
    if are_few:
        found = F.broadcast(found)
    is_audit = F.col("source").isin(*AUDIT)
    keyed = events.join(found, "event_id", "left")
    changes = {
        f"{role}_key": F.coalesce(F.col(f"{role}_guid"), F.when(_pid(role).isNotNull(), F.col(f"_{role}.key")))
        for role in _ROLES
    }
    own_words = F.col("action").isin("process_created", "user_command")
    parent = F.col("_parent")
    changes |= {
        "command_line": F.when(is_audit & ~own_words, F.col("_process.command_line")).otherwise(F.col("command_line")),
        "parent_path": F.when(is_audit, parent["path"]).otherwise(F.col("parent_path")),
        "parent_name": F.when(is_audit, F.element_at(F.split(parent["path"], "/"), -1)).otherwise(F.col("parent_name")),
        "parent_command_line": F.when(is_audit, parent["command_line"]).otherwise(F.col("parent_command_line")),
    }
    return keyed.withColumns(changes).select(*events.columns)


def names_pids() -> Column:
    """Whether an event of `EVENTS` has `unnamed_pids`."""
    return F.size(_unnamed()) > 0


def unnamed_pids(events: DataFrame) -> DataFrame:
    """Columns tenant, endpoint, pid: what must be looked up among `process_marks` to key these events, each once."""
    return events.select("tenant", "endpoint", F.explode(_unnamed()).alias("pid")).distinct()


def stale_ids(existing: DataFrame, new_marks: DataFrame) -> DataFrame:
    """The ``event_id`` of events already keyed whose keys may change now that marks have come, each once."""
    since = new_marks.groupBy(*_PID).agg((F.min(F.unix_micros("ts")) - _STALE_REACH).alias("since"))
    named = existing.select(
        "event_id", "tenant", "endpoint", F.unix_micros("ts").alias("at"),
        F.explode(_unnamed()).alias("pid"),
    )  # fmt: skip
    return named.join(F.broadcast(since), _PID).where(F.col("at") >= F.col("since")).select("event_id").distinct()


def _pid(role: str) -> Column:
    return F.col(f"{role}_pid")


def _unnamed_pid(role: str) -> Column:
    """The role's pid where nothing better names it; auditd's always, for what else its marks tell."""
    return F.when(F.col(f"{role}_guid").isNull(), _pid(role))


def _unnamed() -> Column:
    return F.array_compact(F.array(*[_unnamed_pid(role) for role in _ROLES]))


def _lookups(events: DataFrame) -> DataFrame:
    """One row for each pid of an event that must be looked up."""
    asked = [
        F.when(_unnamed_pid(role).isNotNull(), F.struct(F.lit(role).alias("role"), _unnamed_pid(role).alias("pid")))
        for role in _ROLES
    ]
    return events.select(
        "event_id", "tenant", "endpoint", F.unix_micros("ts").alias("at"),
        F.explode(F.array_compact(F.array(*asked))).alias("asked"),
    ).select("event_id", "tenant", "endpoint", "at", "asked.role", "asked.pid")  # fmt: skip


def _spans(marks: DataFrame) -> DataFrame:
    """From which microsecond on which key holds for a pid: one row a mark."""
    at = F.unix_micros("ts")
    # an end comes after a start of the same instant: a short life, not a second one
    in_time = Window.partitionBy(*_PID).orderBy("at", F.col("mark").desc(), "event_id")
    so_far = in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    before = {name: F.lag(name).over(in_time) for name in ("at", "mark", "ppid")}
    gap = F.col("at") - before["at"]
    goes_on = F.when(
        F.col("platform") == "linux", (gap <= _SAME_IMAGE_CHAIN) & F.col("ppid").eqNullSafe(before["ppid"])
    ).otherwise(gap <= _SAME_START)
    is_start = F.col("mark") == "start"
    begins = is_start & (before["at"].isNull() | (before["mark"] == "end") | ~goes_on)
    timed = (
        marks.dropDuplicates(["event_id"])
        .withColumn("at", at)
        .withColumn("born", F.when(begins, F.col("at")).when(F.lag("mark").over(in_time) == "end", before["at"]))
        .withColumn("born", F.coalesce(F.last("born", ignorenulls=True).over(so_far), F.lit(0)))
    )
    generation = Window.partitionBy(*_PID, "born")
    guid = F.max(F.when(is_start, F.col("guid"))).over(generation)
    return timed.select(
        *_PID,
        # an end belongs to the life that it ends
        F.when(is_start, F.col("at")).otherwise(F.col("at") + 1).alias("at"),
        F.struct(
            F.col("event_id").alias("order"),
            F.when(is_start, F.coalesce(guid, _made_key(F.col("born")))).otherwise(_made_key(F.col("at"))).alias("key"),
            "path",
            "command_line",
        ).alias("span"),
    )


def _made_key(born: Column) -> Column:
    return F.concat("endpoint", F.lit("/"), F.col("pid").cast("string"), F.lit("@"), born.cast("string"))


def _found(lookups: DataFrame, spans: DataFrame) -> DataFrame:
    """For each event: what holds for its pids at its time, as columns _process, _parent, _target."""
    # an as-of join by one sort instead of a range join: a pid may have thousands of lives
    nothing = F.lit(None)
    both = lookups.select(*_PID, "at", F.lit(1).alias("kind"), "event_id", "role", nothing.alias("span")).unionByName(
        spans.select(*_PID, "at", F.lit(0).alias("kind"), nothing.alias("event_id"), nothing.alias("role"), "span")
    )
    so_far = (
        Window.partitionBy(*_PID)
        .orderBy("at", "kind", "span.order")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    held = both.withColumn("held", F.last("span", ignorenulls=True).over(so_far)).where(F.col("kind") == 1)
    answer = F.struct(
        F.coalesce("held.key", _made_key(F.lit(0))).alias("key"),
        F.col("held.path").alias("path"),
        F.col("held.command_line").alias("command_line"),
    )
    return held.groupBy("event_id").agg(
        *[F.max(F.when(F.col("role") == role, answer)).alias(f"_{role}") for role in _ROLES]
    )
