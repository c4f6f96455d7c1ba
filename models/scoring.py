"""Scoring of window graphs: in one process, and as an Arrow batch function inside Spark's executors.

A worker process loads a model once and scores many windows in one pass. In double precision, so that a window's
probability and explanation are the same to the last digit shown, whatever windows it shares a pass with.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import torch
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from models.explanation import (
    Contribution,
    contributions,
    logits_with_shares,
    weights_by_gradient,
    weights_by_suspicion,
)
from models.tensors import GraphTensors, WindowGraph, collate, graphs_of_batch, to_tensors
from models.weights import LoadedModel, ModelRef, load_model
from pipelines.lake import spark_schema
from pipelines.schemas.graphs import WINDOW_SCORES
from pipelines.schemas.tables import table_named

__all__ = ["EDGES_PER_PASS", "EXPLAINED_FROM", "WindowScore", "double_precision", "score_graphs", "score_windows"]

EDGES_PER_PASS = 8_192
"""Edges and nodes that share a pass; a window of more has one to itself."""

EXPLAINED_FROM = 0.1
"""Least attack_prob that is explained; what raised a score that nobody will look at is not worth two thirds of the time."""

_PRECISION = torch.float64
_NEEDED = ["tenant", "endpoint", "platform", "window_start", "window_end", "nodes", "edges"]
_models: dict[str, LoadedModel] = {}


@dataclass(frozen=True)
class WindowScore:
    """What a model says of one window; ``attack_prob`` is calibrated, 0 to 1."""

    attack_prob: float
    is_attack: bool
    contributing_events: list[Contribution]
    n_nodes: int
    n_edges: int


def score_windows(
    window_graphs: DataFrame, refs: Mapping[str, ModelRef], *, scored_at: Column | datetime, role: str = "champion"
) -> DataFrame:
    """Score windows; rows of `WINDOW_SCORES`, one for each window whose platform has a model.

    Args:
        window_graphs: rows of `WINDOW_GRAPHS`.
        refs: model of each platform.
        scored_at: time of scoring (UTC), a column without reference to the rows, or a value.
        role: `champion`, `challenger` or `rescore`.

    Raises:
        ModelError: a model cannot be loaded (in the executor, when the rows are computed).
    """
    spark = window_graphs.sparkSession
    # on one machine the workers read the file, unless the bytes were kept because it is no longer what it was;
    # elsewhere its bytes go with the function, as a broadcast
    is_local = (spark.conf.get("spark.master", "") or "").startswith("local")
    sent = {platform: ref if is_local else ref.with_bytes() for platform, ref in refs.items()}

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _scored(batch, sent, role)

    at = scored_at if isinstance(scored_at, Column) else F.lit(scored_at).cast("timestamp")
    rows = window_graphs.where(F.col("platform").isin(*refs)).select(*_NEEDED)
    schema = spark_schema(table_named("window_scores"))
    return rows.mapInArrow(score, schema).withColumn("scored_at", at)


def score_graphs(
    model: LoadedModel, graphs: Sequence[WindowGraph], *, edges_per_pass: int = EDGES_PER_PASS
) -> list[WindowScore]:
    """Score windows in this process; the result does not depend on how they are put together.

    Args:
        model: in double precision, as `models.scoring` loads it.
        graphs: windows of the model's platform.
        edges_per_pass: edges and nodes that share a pass.
    """
    scores: list[WindowScore] = []
    for part in _passes(model, graphs, edges_per_pass):
        scores.extend(_score_pass(model, part))
    return scores


def double_precision(model: LoadedModel) -> LoadedModel:
    """The model as `score_graphs` wants it."""
    model.network.to(_PRECISION)
    return model


def _passes(
    model: LoadedModel, graphs: Sequence[WindowGraph], limit: int
) -> Iterator[list[tuple[WindowGraph, GraphTensors]]]:
    part: list[tuple[WindowGraph, GraphTensors]] = []
    size = 0
    for graph in graphs:
        tensors = to_tensors(graph, model.vocabulary)
        weight = tensors.n_edges + tensors.n_nodes
        if part and size + weight > limit:
            yield part
            part, size = [], 0
        part.append((graph, tensors))
        size += weight
    if part:
        yield part


def _score_pass(model: LoadedModel, part: Sequence[tuple[WindowGraph, GraphTensors]]) -> Iterator[WindowScore]:
    calibration = model.calibration
    with torch.no_grad():
        logits, suspicion = model.network.judged(collate([tensors for _, tensors in part], dtype=_PRECISION))
    raised = (logits[:, 1] - logits[:, 0]) * calibration.scale + calibration.shift
    probabilities = torch.sigmoid(raised).tolist()
    worth = [number for number, probability in enumerate(probabilities) if probability >= EXPLAINED_FROM]
    weighed = _by_gradient(model, part, worth) if suspicion is None else _by_suspicion(part, worth, suspicion)
    explained = dict(zip(worth, weighed, strict=True))
    for number, (graph, tensors) in enumerate(part):
        yield WindowScore(
            attack_prob=probabilities[number],
            is_attack=probabilities[number] >= calibration.threshold,
            contributing_events=contributions(graph, explained.get(number, {})),
            n_nodes=tensors.n_nodes,
            n_edges=tensors.n_edges,
        )


def _by_suspicion(
    part: Sequence[tuple[WindowGraph, GraphTensors]], worth: Sequence[int], suspicion: torch.Tensor
) -> Iterator[dict[str, float]]:
    """Events' weights of the windows worth it, by what the pass that scored them suspects."""
    of_window = torch.split(suspicion, [tensors.n_nodes for _, tensors in part])
    for number in worth:
        graph, tensors = part[number]
        yield weights_by_suspicion(graph, tensors, of_window[number].tolist())


def _by_gradient(
    model: LoadedModel, part: Sequence[tuple[WindowGraph, GraphTensors]], worth: Sequence[int]
) -> Iterator[dict[str, float]]:
    """Events' weights of the windows worth it, by another pass and back."""
    if not worth:
        return
    chosen = [part[number] for number in worth]
    batch = collate([tensors for _, tensors in chosen], dtype=_PRECISION)
    _, edge_shares, node_shares = logits_with_shares(model.network, batch)
    edges = torch.split(edge_shares, [tensors.n_edges for _, tensors in chosen])
    nodes = torch.split(node_shares, [tensors.n_nodes for _, tensors in chosen])
    for (graph, tensors), of_edges, of_nodes in zip(chosen, edges, nodes, strict=True):
        yield weights_by_gradient(graph, tensors, of_edges.tolist(), of_nodes.tolist())


def _loaded(ref: ModelRef) -> LoadedModel:
    """The model of a reference, read once a process."""
    model = _models.get(ref.digest)
    if model is None:
        # Spark runs one worker a core: threads of each would fight for the same cores
        torch.set_num_threads(1)
        source = ref.weights if ref.weights is not None else Path(ref.path)
        model = double_precision(load_model(source, digest=ref.digest, platform=ref.platform))
        if len(_models) >= 8:
            _models.clear()
        _models[ref.digest] = model
    return model


def _scored(batch: pa.RecordBatch, refs: Mapping[str, ModelRef], role: str) -> pa.RecordBatch:
    graphs = list(graphs_of_batch(batch))
    scores: dict[int, tuple[ModelRef, WindowScore]] = {}
    for platform, ref in sorted(refs.items()):
        rows = [row for row, graph in enumerate(graphs) if graph.platform == platform]
        if rows:
            found = score_graphs(_loaded(ref), [graphs[row] for row in rows])
            scores.update({row: (ref, score) for row, score in zip(rows, found, strict=True)})
    now = datetime.now(UTC)  # replaced by the caller's time; the column may not be null
    out = []
    for row in sorted(scores):
        graph, (ref, score) = graphs[row], scores[row]
        out.append({
            "tenant": graph.tenant, "endpoint": graph.endpoint, "platform": graph.platform,
            "window_start": graph.window_start, "window_end": graph.window_end,
            "model_name": ref.name, "model_version": ref.version, "role": role,
            "attack_prob": score.attack_prob, "verdict": "attack" if score.is_attack else "benign",
            "contributing_events": [
                {"event_id": one.event_id, "weight": one.weight, "summary": one.summary}
                for one in score.contributing_events
            ],
            "n_nodes": score.n_nodes, "n_edges": score.n_edges, "scored_at": now,
        })  # fmt: skip
    return pa.RecordBatch.from_pylist(out, schema=WINDOW_SCORES)
