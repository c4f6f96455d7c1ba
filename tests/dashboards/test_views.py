"""What the dashboards' views make of the lake."""

from datetime import UTC, datetime

import pytest

from pipelines.locked_lake import LockedLake
from pipelines.schemas.alerts import SEVERITY_THRESHOLDS, Severity
from tests.dashboards.rows import MINUTE, alert, change, score, write_rows
from tests.dashboards.running import VIEWS

pytestmark = pytest.mark.fast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_alert_is_open_until_it_is_closed(tmp_path, rows_of):
    lake = tmp_path / "lake"
    write_rows(lake, "alerts", alert(1, NOON), alert(2, NOON), alert(3, NOON))
    write_rows(
        lake,
        "alert_changes",
        change(2, NOON + 2 * MINUTE, "investigating", actor="bo"),
        change(2, NOON, "acknowledged"),
    )
    write_rows(lake, "alert_changes", change(3, NOON, "false_positive"))
    found = {int(row["alert_id"], 16): row for row in rows_of("alert_queue")}
    assert [(found[n]["status"], found[n]["is_open"]) for n in (1, 2, 3)] == [
        ("open", 1), ("investigating", 1), ("false_positive", 0)
    ]  # fmt: skip
    assert (found[1]["handled_by"], found[2]["handled_by"]) == (None, "bo")


def test_a_host_is_as_threatened_as_its_worst_open_alert(tmp_path, rows_of):
    lake = tmp_path / "lake"
    write_rows(lake, "window_scores", score(NOON, attack_prob=0.99), score(NOON + MINUTE, attack_prob=0.2))
    write_rows(lake, "window_scores", score(NOON + 2 * MINUTE, attack_prob=0.6, role="challenger", model_version="2"))
    write_rows(
        lake,
        "alerts",
        alert(1, NOON, attack_prob=0.99, severity="CRITICAL"),
        alert(2, NOON, attack_prob=0.8, severity="MEDIUM"),
    )
    write_rows(lake, "alert_changes", change(2, NOON, "acknowledged"))
    [host] = rows_of("hosts")
    assert (host["threat"], host["severity"], host["newest_prob"]) == (0.99, "CRITICAL", 0.2)
    assert (host["n_open"], host["n_critical"], host["n_high"], host["n_medium"]) == (2, 1, 0, 1)
    write_rows(lake, "alert_changes", change(1, NOON + MINUTE, "resolved"))
    [host] = rows_of("hosts")
    assert (host["threat"], host["severity"], host["n_open"], host["n_alerts"]) == (0.8, "MEDIUM", 1, 2)


def test_hosts_with_windows_alone_and_with_alerts_alone_are_there(tmp_path, rows_of):
    write_rows(tmp_path / "lake", "window_scores", score(NOON, endpoint="quiet"))
    write_rows(tmp_path / "lake", "alerts", alert(1, NOON, endpoint="gone"))
    found = {row["endpoint"]: row for row in rows_of("hosts")}
    assert (found["quiet"]["severity"], found["quiet"]["n_open"]) == ("none", 0)
    assert (found["gone"]["severity"], found["gone"]["n_windows_24h"]) == ("HIGH", 0)


def test_a_window_has_the_severity_that_its_alert_would_have(tmp_path, rows_of):
    edges = {0.0: "below", 1.0: "CRITICAL"}
    for severity, least in SEVERITY_THRESHOLDS.items():
        edges |= {least: severity.value, least - 1e-9: "?"}
    write_rows(
        tmp_path / "lake", "window_scores", *(score(NOON + n * MINUTE, attack_prob=p) for n, p in enumerate(edges))
    )
    found = {row["attack_prob"]: row["severity"] for row in rows_of("scored_windows")}
    ranked = [*Severity, "below"]
    for prob, severity in edges.items():
        if severity == "?":  # just under a threshold: the next lower
            severity = ranked[ranked.index(edges[prob + 1e-9]) + 1]
        assert found[prob] == severity, prob


def test_an_alert_leads_to_its_page(tmp_path):
    lake = tmp_path / "lake"
    write_rows(lake, "alerts", alert(1, NOON, alert_id="a'b\"<c>/d"))
    for api_url, expected in (
        ("https://logster.example", '<a href="https://logster.example/ui/alerts/a%27b%22%3Cc%3E%2Fd">open</a>'),
        (None, None),
    ):
        cursor = LockedLake(str(lake), VIEWS, api_url=api_url).cursor()
        assert cursor.execute("SELECT page FROM alert_queue").fetchall() == [(expected,)]
