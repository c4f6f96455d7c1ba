"""The training set: labelled captures through Logster's own pipeline, kept as Delta tables in a training lake.

What is a capture, its labels and the split are in ``models.captures``. Two shipments need a hand: EVTX records as JSON
are flattened first, since no format of Logster's reads that layout yet.
"""

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from models.captures import USED_LABELS, AttackedEndpoint, Capture, LabelledWindow
from models.cuts import parts_by_size
from models.tensors import WindowGraph, graphs_of_batch
from models.tokens import TOKENS_VERSION
from pipelines.errors import ModelError
from pipelines.ingestion import raw_rows
from pipelines.normalise.process_keys import process_marks, with_process_keys
from pipelines.normalise.records import PARSER_VERSION, events_of, normalise_records
from pipelines.settings import Settings
from pipelines.sources.files import AUTO_FORMAT, landing_folder, lines_of_files, list_files
from pipelines.windows.panes import build_panes
from pipelines.windows.window_graphs import build_window_graphs

__all__ = ["Example", "TrainingSet", "build_training_lake", "digest_of_examples", "lake_problem", "read_examples"]

Progress = Callable[[str], None]

_BYTES_A_JOB = 12_000_000  # of compressed captures; a job then fits a heap of 3 GB
_READ_AT = datetime(2026, 1, 1, tzinfo=UTC)  # the same telemetry must give the same tables, whenever it is read
_TASKS = 8
_PID_OF_KEY = re.compile(r"[^/]+/(\d{1,10})@\d+")  # `pipelines.normalise.process_keys`
_ROUNDING = 1_000  # microseconds: the labels' times are in milliseconds
_NEAR = 5_000_000  # microseconds around an attack's processes in which it is not sure whose a process is
_STAMP = "_logster.json"  # what made a finished table; Delta leaves names with an underscore alone


@dataclass(frozen=True)
class Example:
    """One labelled window."""

    graph: WindowGraph
    label: str
    capture: Capture

    @property
    def is_attack(self) -> bool:
        """Whether the window holds an attack."""
        return self.label == "attack"

    @property
    def process_labels(self) -> dict[str, bool]:
        """Ids of those processes of which is known whether they are the intrusion's, and whether they are."""
        graph, capture = self.graph, self.capture
        processes = [node for node, kind in zip(graph.node_ids, graph.node_types, strict=True) if kind == "process"]
        if capture.attack_pids is not None:
            found = {node: _PID_OF_KEY.fullmatch(node) for node in processes}
            return {node: key is not None and int(key[1]) in capture.attack_pids for node, key in found.items()}
        if not capture.is_attack:
            return dict.fromkeys(processes, False)
        name = graph.endpoint.split(".")[0]
        return next((self._started(one) for one in capture.attacked if one.name == name), {})

    def _started(self, attacked: AttackedEndpoint) -> dict[str, bool]:
        """Processes that the window saw start, and whether that was among the attack's starts.

        Left out are those that started near these and, where more processes started among them than the attack had, those
        among them: some are others'.
        """
        graph = self.graph
        apart = {
            node: min(max(first - ts, ts - last, 0) for first, last in attacked.spans)
            for kind, node, ts in zip(graph.edge_types, graph.edge_dsts, graph.edge_times, strict=True)
            if kind == "spawned"
        }
        among = [node for node, distance in apart.items() if distance <= _ROUNDING]
        labels = {node: False for node, distance in apart.items() if distance > _NEAR}
        return labels | (dict.fromkeys(among, True) if len(among) <= attacked.n_starts else {})


@dataclass(frozen=True)
class TrainingSet:
    """One platform's labelled windows.

    Attributes:
        platform: `windows` or `linux`.
        examples: by capture, endpoint and time.
        delta_version: version of the table that they were read from.
        digest: SHA-256 over all windows and labels.
    """

    platform: str
    examples: list[Example]
    delta_version: int
    digest: str


def build_training_lake(
    spark: SparkSession,
    settings: Settings,
    *,
    data: Path,
    captures: Sequence[Capture],
    labels: Sequence[LabelledWindow],
    progress: Progress,
) -> None:
    """Bring captures through the pipeline into ``examples_<platform>`` of the training lake.

    Each table is built beside the one of an earlier run and takes its place when it is finished: a build that is cut off
    leaves what was there.

    Args:
        spark: session.
        settings: of the training lake; what lies there of earlier runs is replaced.
        data: folder of the captures.
        captures: what to bring in; each is its own tenant, so that nothing of one gets into another.
        labels: labels of their windows.
        progress: told what goes on.
    """
    lake = Path(settings.lake)
    for platform in sorted({capture.platform for capture in captures}):
        own = [capture for capture in captures if capture.platform == platform]
        target, making, former = (lake / f"examples_{platform}{state}" for state in ("", ".new", ".old"))
        for rest in (making, former):
            shutil.rmtree(rest, ignore_errors=True)
        jobs = list(parts_by_size([(data / capture.path).stat().st_size for capture in own], _BYTES_A_JOB))
        for number, job in enumerate(jobs, start=1):
            progress(f"{platform}: windows of {len(job)} captures (part {number} of {len(jobs)})")
            _bring_in(spark, settings, data, [own[place] for place in job], labels, making)
        spark.catalog.clearCache()
        DeltaTable(str(making)).create_checkpoint()
        stamp = {**_made_with(settings), "captures": sorted(capture.tenant for capture in own)}
        (making / _STAMP).write_text(json.dumps(stamp))
        if target.exists():
            target.rename(former)
        making.rename(target)
        shutil.rmtree(former, ignore_errors=True)


def lake_problem(settings: Settings, captures: Sequence[Capture], platform: str) -> str | None:
    """Say why one platform's part of the training lake cannot be used; None where it can.

    Args:
        settings: of the training lake.
        captures: what must be in it.
        platform: `windows` or `linux`.
    """
    stamp = Path(settings.lake) / f"examples_{platform}" / _STAMP
    if not stamp.exists():
        return "no finished windows are there"
    made: dict[str, Any] = json.loads(stamp.read_text())
    differing = [
        f"{name} {made.get(name)} where it is {now} now"
        for name, now in _made_with(settings).items()
        if made.get(name) != now
    ]
    if differing:
        return f"they were made with {', '.join(differing)}"
    if missing := sorted({capture.tenant for capture in captures} - set(made["captures"])):
        return f"{len(missing)} of the {len(captures)} captures are not among them, e.g. {missing[0]}"
    return None


def read_examples(settings: Settings, captures: Sequence[Capture], platform: str) -> TrainingSet:
    """Read one platform's labelled windows from the training lake; only labels in `USED_LABELS`.

    Raises:
        ModelError: it cannot be used, see `lake_problem`.
    """
    problem = lake_problem(settings, captures, platform)
    if problem is not None:
        raise ModelError(f"windows of {platform} in {settings.lake}: {problem}; train without --reuse-lake")
    table = DeltaTable(f"{settings.lake}/examples_{platform}")
    by_tenant = {capture.tenant: capture for capture in captures}
    rows = table.to_pyarrow_table()
    keep = pc.and_(
        pc.is_in(rows.column("label"), pa.array(list(USED_LABELS))),
        pc.is_in(rows.column("tenant"), pa.array(list(by_tenant))),
    )
    rows = rows.filter(keep).sort_by(
        [("tenant", "ascending"), ("endpoint", "ascending"), ("window_start", "ascending")]
    )
    examples = []
    for batch in rows.to_batches(max_chunksize=256):
        labels = batch.column("label").to_pylist()
        for graph, label in zip(graphs_of_batch(batch), labels, strict=True):
            examples.append(Example(graph, label, by_tenant[graph.tenant]))
    return TrainingSet(platform, examples, table.version(), digest_of_examples(examples))


def digest_of_examples(examples: Iterable[Example]) -> str:
    """SHA-256 over windows and labels, in their order: other captures, labels, parsers or widths give another."""
    content = hashlib.sha256()
    for one in examples:
        content.update(_fingerprint(one.graph, one.label))
    return content.hexdigest()


def _made_with(settings: Settings) -> dict[str, Any]:
    """What decides the windows beside the captures."""
    return {
        "parser_version": PARSER_VERSION,
        "tokens_version": TOKENS_VERSION,
        "window_width": settings.window_width.total_seconds(),
        "window_slide": settings.window_slide.total_seconds(),
    }


def _bring_in(
    spark: SparkSession,
    settings: Settings,
    data: Path,
    captures: Sequence[Capture],
    labels: Sequence[LabelledWindow],
    target: Path,
) -> None:
    work = Path(settings.lake) / "_work"
    shutil.rmtree(work, ignore_errors=True)
    own = settings.model_copy(update={"landing": str(work / "landing")})
    for capture in captures:
        _land(data / capture.path, Path(own.landing_path), capture)

    lines = lines_of_files(list_files(spark, own), own, n_tasks=_TASKS)
    raw = raw_rows(lines, batch_id="training", received_at=_READ_AT)
    events = _kept(spark, events_of(normalise_records(raw)), work / "events")
    marks = _kept(spark, process_marks(events), work / "marks")
    panes = _kept(spark, build_panes(with_process_keys(events, marks), slide=own.window_slide), work / "panes")
    graphs = build_window_graphs(panes, width=own.window_width, slide=own.window_slide)
    tenants = {capture.tenant for capture in captures}
    told = spark.createDataFrame(
        [(one.tenant, one.endpoint, one.window_start, one.label) for one in labels if one.tenant in tenants],
        "tenant string, short_name string, window_start timestamp, label string",
    )
    labelled = graphs.withColumn("short_name", F.split("endpoint", r"\.")[0]).join(
        F.broadcast(told), ["tenant", "short_name", "window_start"]
    )
    labelled.drop("short_name").write.format("delta").mode("append").save(str(target))
    shutil.rmtree(work, ignore_errors=True)


def _kept(spark: SparkSession, rows: DataFrame, path: Path) -> DataFrame:
    """Write rows and read them back, so that nothing above them is computed again."""
    rows.write.parquet(str(path))
    return spark.read.parquet(str(path))


def _land(source: Path, landing: Path, capture: Capture) -> None:
    folder = landing / landing_folder(capture.tenant, AUTO_FORMAT, None, None)
    folder.mkdir(parents=True, exist_ok=True)
    if capture.layout != "evtx-json":
        shutil.copyfile(source, folder / source.name)
        return
    with (
        gzip.open(source, "rt", encoding="utf-8") as lines,
        gzip.open(folder / source.name, "wt", encoding="utf-8") as out,
    ):
        for line in lines:
            out.write(json.dumps(_flattened(json.loads(line)["Event"])) + "\n")


def _flattened(event: dict[str, Any]) -> dict[str, Any]:
    """An EVTX record in the layout of winevent-flattened JSON."""
    system = event["System"]
    code = system["EventID"]
    time = system["TimeCreated"]["#attributes"]["SystemTime"]
    told = event.get("EventData") or {}
    return {
        **{name: value for name, value in told.items() if not isinstance(value, dict | list)},
        "EventID": code["#text"] if isinstance(code, dict) else code,
        "SourceName": system["Provider"]["#attributes"]["Name"],
        "Channel": system["Channel"],
        "Hostname": system["Computer"],
        "TimeCreated": time,
        "@timestamp": time,
    }


def _fingerprint(graph: WindowGraph, label: str) -> bytes:
    told = [
        graph.tenant, graph.endpoint, graph.window_start, label, graph.node_ids, graph.node_types, graph.node_texts,
        graph.edge_srcs, graph.edge_dsts, graph.edge_types, graph.edge_times, graph.edge_event_ids, graph.edge_texts,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")).digest()
