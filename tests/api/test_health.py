import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from api.app import create_app
from api.schemas import Problem
from api.store import Store
from pipelines.schemas.tables import TABLES
from tests.api.conftest import NOON


def test_fresh_lake_is_healthy_and_empty(api):
    health = api.ok("/health")
    assert health["status"] == "ok"
    assert health["tables"] == [{"table": name, "version": None} for name in TABLES]
    assert health["alerted"] == {"newest": None, "seconds": None}


def test_health_tells_how_far_behind_scores_and_alerts_are(settings, write, make_alert, make_score):
    write("alerts", make_alert(1, 0), make_alert(2, 5))
    write("window_scores", make_score(0))
    write("window_scores", make_score(-10))
    health = Store(settings).health(now=datetime(2026, 3, 1, 12, 6, tzinfo=UTC))
    assert health.alerted.seconds == 60
    assert health.scored.seconds == 120
    versions = {table.table: table.version for table in health.tables}
    assert (versions["alerts"], versions["window_scores"], versions["events"]) == (0, 1, None)


def test_unreadable_lake_is_503_everywhere(api, settings, write, make_alert):
    write("alerts", make_alert(1))
    assert api.get("/health").status_code == 200
    for commit in Path(settings.lake, "alerts", "_delta_log").glob("*.json"):
        commit.write_text("not a commit")
    broken = type(api)(create_app(settings))
    for path in ("/health", "/alerts", "/endpoints", f"/alerts/{1:064x}"):
        response = broken.get(path)
        assert response.status_code == 503, path
        assert "alerts" in response.json()["detail"]
    assert "logster_lake_readable 0.0" in broken.get("/metrics").text


def test_lake_whose_files_are_gone_is_503_not_500(api, settings, write, make_alert):
    write("alerts", make_alert(1))
    for file in Path(settings.lake, "alerts").glob("*.parquet"):
        file.unlink()
    assert api.get("/alerts").status_code == 503


def test_removed_lake_reads_as_empty_after_a_while(api, settings, write, make_alert, monkeypatch):
    write("alerts", make_alert(1))
    assert len(api.ok("/alerts")["alerts"]) == 1
    shutil.rmtree(settings.lake)
    monkeypatch.setattr("api.snapshots._REOPEN_SECONDS", 0)
    assert api.ok("/alerts")["alerts"] == []


def test_metrics_count_requests_by_route_and_alerts_by_status(api, write, make_alert):
    write("alerts", make_alert(1), make_alert(2), make_alert(3, severity="CRITICAL"))
    api("PATCH", f"/alerts/{1:064x}", json={"actor": "ann", "status": "acknowledged"})
    api.get("/alerts/unknown")
    api.get("/wp-admin")
    text = api.get("/metrics").text
    assert 'logster_alerts{severity="HIGH",status="open"} 1.0' in text
    assert 'logster_alerts{severity="HIGH",status="acknowledged"} 1.0' in text
    assert 'logster_alerts{severity="CRITICAL",status="open"} 1.0' in text
    assert 'logster_http_requests_total{method="GET",route="/alerts/{alert_id}",status="404"} 1.0' in text
    assert "wp-admin" not in text
    assert "logster_lake_readable 1.0" in text


def test_metrics_count_suppressed_alerts_apart(api, write, make_alert):
    write("alerts", make_alert(1), make_alert(2, endpoint="web-2"))
    write("suppressions", {
        "suppression_id": "s", "tenant": "acme", "endpoint": "web-2", "max_severity": "HIGH", "reason": "x",
        "starts_at": NOON - timedelta(hours=1), "expires_at": NOON, "actor": "ann", "created_at": NOON,
    })  # fmt: skip
    text = api.get("/metrics").text
    assert 'logster_alerts{severity="HIGH",status="open"} 1.0' in text
    assert 'logster_alerts_suppressed{severity="HIGH",status="open"} 1.0' in text


def test_docs_and_description_are_there(api):
    assert api.get("/docs").status_code == 200
    paths = api.ok("/openapi.json")["paths"]
    evidence = {f"/alerts/{{alert_id}}/{what}" for what in ("events", "process-tree", "stix", "timeline")}
    others = {"/feedback", "/endpoints", "/caller", "/keys", "/keys/{key_id}", "/health", "/metrics"}
    others |= {"/suppressions", "/suppressions/{suppression_id}"}
    assert {"/alerts", "/alerts/{alert_id}"} | evidence | others == set(paths)


def test_every_problem_is_described_with_an_example_and_every_reference_leads_somewhere(api):
    description = api.ok("/openapi.json")
    schemas = description["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)))
    assert references <= set(schemas)
    assert "HTTPValidationError" not in references
    n_examples = 0
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) < 400:
                    continue
                (media_type,) = answer["content"]
                assert media_type == "application/problem+json", path
                for example in answer["content"][media_type]["examples"].values():
                    assert Problem(**example["value"]).status == int(status)
                    n_examples += 1
    assert n_examples > 20


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/alerts", 405)])
def test_what_is_not_there_is_a_problem_too(api, method, path, status):
    response = api(method, path)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() | {"detail": ""} == {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": "",
    }  # fmt: skip
    assert ("allow" in response.headers) == (status == 405)
