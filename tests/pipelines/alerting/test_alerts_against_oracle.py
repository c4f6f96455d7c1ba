"""Incremental and full alerts against the same rules written once more in plain Python over lists."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.alerting.build import build_alerts
from pipelines.alerting.update import update_alerts
from pipelines.lake import Lake, conform
from pipelines.schemas.graphs import WINDOW_SCORES
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Score:
    tenant: str
    endpoint: str
    start: datetime
    prob: float
    version: str = "1"
    events: tuple[tuple[str, float], ...] = ()
    platform: str = "linux"
    role: str = "champion"
    width: timedelta = timedelta(minutes=3)

    @property
    def key(self):
        return (self.tenant, self.endpoint, self.platform, self.start, self.version)

    @property
    def end(self):
        return self.start + self.width


@dataclass
class Known:
    """An alert as it stood when an analyst acted."""

    alert_id: str
    tenant: str
    endpoint: str
    anchor: datetime
    first: datetime
    last: datetime
    closed: bool


@dataclass
class Expected:
    alert_id: str
    tenant: str
    endpoint: str
    windows: list[Score] = field(default_factory=list)
    related: set[str] = field(default_factory=set)

    def row(self):
        top = min(self.windows, key=lambda w: (-w.prob, w.start))
        weights: dict[str, float] = {}
        for window in self.windows:
            for event_id, weight in window.events:
                weights[event_id] = max(weight, weights.get(event_id, weight))
        events = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:20]
        severity = "CRITICAL" if top.prob >= 0.95 else "HIGH" if top.prob >= 0.85 else "MEDIUM"
        return (
            self.alert_id, self.tenant, self.endpoint, top.platform, severity, top.prob,
            min(w.start for w in self.windows), max(w.end for w in self.windows), len(self.windows),
            top.version, tuple(sorted(self.related)), tuple(events),
        )  # fmt: skip


def alert_id(tenant: str, endpoint: str, start: datetime) -> str:
    micros = (start - EPOCH) // timedelta(microseconds=1)
    return hashlib.sha256(f"{len(tenant)}:{tenant}{len(endpoint)}:{endpoint}{micros}".encode()).hexdigest()


def expected_alerts(scores, dedup_gap, lateral_gap, known=()):
    """Rows of the alerts that have windows, by id; closed alerts are not among them."""
    by_endpoint = defaultdict(list)
    for score in scores:
        if score.role == "champion" and score.prob >= 0.7:
            by_endpoint[score.tenant, score.endpoint].append(score)
    alerts, starts = [], defaultdict(set)
    pinned_of, closed_of = defaultdict(list), defaultdict(list)
    for item in known:
        (closed_of if item.closed else pinned_of)[item.tenant, item.endpoint].append(item)
    for key in {*by_endpoint, *pinned_of}:
        for window in by_endpoint[key]:
            starts[key].add(window.start)
        alerts += _alerts_of(key, by_endpoint[key], dedup_gap, pinned_of[key], closed_of[key])
    for alert in alerts:
        for (tenant, endpoint), others in starts.items():
            if tenant == alert.tenant and endpoint != alert.endpoint:
                if any(abs(other - w.start) <= lateral_gap for other in others for w in alert.windows):
                    alert.related.add(endpoint)
    return {alert.alert_id: alert.row() for alert in alerts if alert.windows}


def _alerts_of(key, windows, dedup_gap, pinned, closed):
    """Walk through time: anchors before windows at the same moment."""
    moments = [(w.start, 1, w.end, w) for w in windows] + [(p.anchor, 0, p.anchor, p) for p in pinned]
    moments.sort(key=lambda m: (m[0], m[1], getattr(m[3], "platform", "")))
    alerts, current, has_anchor, last_end, previous = [], None, False, None, None
    seen_anchor = None
    for at, is_window, end, item in moments:
        before = [c for c in closed if min(c.first, c.anchor) <= at]
        if is_window and before:
            newest = max(min(c.first, c.anchor) for c in before)
            inside = any(at < max(c.last, c.anchor + timedelta(microseconds=1)) for c in before)
            if inside and (seen_anchor is None or seen_anchor < newest):
                continue
        crossed = previous is not None and any(previous < min(c.first, c.anchor) <= at for c in closed)
        if current is None or at - last_end > dedup_gap or crossed:
            current, has_anchor, last_end = Expected("", *key), False, end
            alerts.append(current)
        if not is_window:
            seen_anchor = at
            if has_anchor:
                current = Expected("", *key)
                alerts.append(current)
            current.alert_id, has_anchor = item.alert_id, True
        else:
            current.windows.append(item)
        last_end, previous = max(last_end, end), at
    for alert in alerts:
        if not alert.alert_id:
            alert.alert_id = alert_id(*key, min(w.start for w in alert.windows))
    return alerts


# --- made-up telemetry: many tenants at once, so that one Spark job tries many cases

GAP, LATERAL = timedelta(minutes=5), timedelta(minutes=1)
BASE = datetime(2026, 3, 1, 10, tzinfo=UTC)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@st.composite
def cases(draw, n_tenants):
    """Scores of many tenants in the order in which they were written, cut into batches; and what analysts did when."""
    rng = draw(st.randoms(use_true_random=False))
    n_batches = draw(st.integers(2, 4))
    batches = [[] for _ in range(n_batches)]
    for number in range(n_tenants):
        density = rng.choice([0.08, 0.2, 0.5])
        for endpoint in range(rng.randint(1, 3)):
            for minute in range(rng.choice([12, 30, 60])):
                for _ in range(rng.choice([0, 1, 1, 1, 2])):  # rescored, in the same batch or another
                    batches[rng.randrange(n_batches)].append(_made_up_score(rng, number, endpoint, minute, density))
    for batch in batches:
        rng.shuffle(batch)
    return batches, rng.random()


def _made_up_score(rng, tenant, endpoint, minute, density):
    positive = rng.random() < density
    return Score(
        tenant=f"t{tenant}", endpoint=f"e{endpoint}", start=BASE + minute * MINUTE,
        prob=rng.choice([0.7, 0.85, 0.9, 0.95, 0.99]) if positive else rng.choice([0.0, 0.3, 0.6999]),
        version=rng.choice(["1", "1", "9", "10"]),
        platform="linux" if rng.random() < 0.95 else "windows",
        role="champion" if rng.random() < 0.9 else "challenger",
        events=tuple((f"ev{rng.randrange(40)}", rng.choice([0.1, 0.25, 0.5])) for _ in range(rng.randrange(6))),
    )  # fmt: skip


def score_frame(spark, scores):
    rows = [
        {
            "tenant": s.tenant, "endpoint": s.endpoint, "platform": s.platform, "window_start": s.start,
            "window_end": s.end, "model_name": "m", "model_version": s.version, "role": s.role, "attack_prob": s.prob,
            "verdict": "attack", "n_nodes": 1, "n_edges": 1, "scored_at": NOW,
            "contributing_events": [{"event_id": e, "weight": w, "summary": f"about {e}"} for e, w in s.events],
        }
        for s in scores
    ]  # fmt: skip
    return conform(spark.createDataFrame(pa.Table.from_pylist(rows, WINDOW_SCORES)), table_named("window_scores"))


def rows_of(frame):
    rows = {}
    for row in frame.collect():
        assert row.alert_id not in rows
        rows[row.alert_id] = (
            row.alert_id, row.tenant, row.endpoint, row.platform, row.severity, row.attack_prob,
            row.first_seen.replace(tzinfo=UTC), row.last_seen.replace(tzinfo=UTC), row.window_count,
            row.model_version, tuple(row.related_endpoints),
            tuple((event.event_id, event.weight) for event in row.contributing_events),
        )  # fmt: skip
    return rows


def put(table, batch):
    """Rows as the pipeline leaves them: one a key, the last one wins; the last champion of a window is the only one."""
    touched = {}
    for score in batch:
        versions = table.setdefault(score.key[:-1], {})
        if score.role == "champion":
            for key, other in versions.items():
                if other.role == "champion":
                    touched[key] = versions[key] = replace(other, role="rescore")
        touched[score.key] = versions[score.key] = score
    return list(touched.values())


def write_batch(lake, table, batch):
    frame = score_frame(lake.spark, put(table, batch))
    lake.merge("window_scores", frame)
    return frame.select("tenant", "endpoint", "window_start")


@pytest.fixture
def lake(spark, tmp_path):
    lake = Lake(spark, Settings(lake=str(tmp_path / "lake"), _env_file=None))
    lake.create_tables()
    return lake


def empty(lake):
    for name in ("window_scores", "alerts", "alert_changes", "feedback"):
        lake.delta(name).delete()


def full(lake):
    return build_alerts(
        lake.read("window_scores"), existing=lake.read("alerts"), changes=lake.read("alert_changes"),
        feedback=lake.read("feedback"), dedup_gap=GAP, lateral_gap=LATERAL, now=NOW + MINUTE,
    )  # fmt: skip


def check_cuts(lake, batches):
    empty(lake)
    table = {}
    for batch in batches:
        update_alerts(lake, write_batch(lake, table, batch), now=NOW)
    expected = expected_alerts([score for versions in table.values() for score in versions.values()], GAP, LATERAL)
    assert rows_of(lake.read("alerts")) == expected
    assert {row.updated_at for row in full(lake).collect()} <= {NOW.replace(tzinfo=None)}  # nothing left to change


def test_alerts_do_not_depend_on_the_cut(lake):
    @settings(max_examples=1, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(cases(n_tenants=30))
    def check(case):
        check_cuts(lake, case[0])

    check()


@pytest.mark.slow
def test_alerts_do_not_depend_on_any_of_many_cuts(lake):
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases(n_tenants=60))
    def check(case):
        check_cuts(lake, case[0])

    check()
