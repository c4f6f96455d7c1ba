"""Superset itself, over a small real lake: what it imports, what its charts get, and what its SQL must not do."""

import shutil
import stat
from typing import Any

import pytest
import yaml

from tests.dashboards.running import SUPERSET, Superset

pytestmark = pytest.mark.e2e

CHARTS = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((SUPERSET / "assets" / "charts").glob("*.yaml"))
}
KINDS = ("database", "dataset", "chart", "dashboard")


def query_of(params: dict[str, Any]) -> dict[str, Any]:
    """What a chart asks for, put together as its plugin does."""
    groups = params.get("groupby") or []
    columns: list[Any] = [groups] if isinstance(groups, str) else list(groups)
    metrics = [
        *params.get("metrics", []),
        *params.get("metrics_b", []),
        *([params["metric"]] if "metric" in params else []),
    ]
    if params.get("query_mode") == "raw":
        columns, metrics = params["all_columns"], []
    if "column" in params:
        columns.append(params["column"])
    if "x_axis" in params:
        axis = params["x_axis"]
        if grain := params.get("time_grain_sqla"):
            axis = {
                "columnType": "BASE_AXIS",
                "sqlExpression": axis,
                "label": axis,
                "expressionType": "SQL",
                "timeGrain": grain,
            }
        columns = [axis, *columns]
    filters = [
        {"col": each["subject"], "op": each["operator"], "val": each["comparator"]}
        for each in params.get("adhoc_filters", [])
    ]
    return {
        "columns": columns,
        "metrics": metrics,
        "filters": filters,
        "row_limit": params.get("row_limit", 100),
        "orderby": [],
    }


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_gets_rows(superset: Superset, name: str):
    [dataset] = [
        found["id"] for found in superset.all_of("dataset") if found["uuid"] == CHARTS[name]["dataset_uuid"]
    ]  # fmt: skip
    answer = superset.query(dataset, **query_of(CHARTS[name]["params"]))
    assert answer.status_code == 200, answer.text
    [result] = answer.json()["result"]
    assert result["error"] is None
    assert result["rowcount"] > 0
    assert result["rejected_filters"] == []


def test_imported_twice_nothing_doubles_and_a_changed_chart_is_taken_over(superset: Superset, tmp_path):
    before = {kind: {found["uuid"]: found["id"] for found in superset.all_of(kind)} for kind in KINDS}
    assert len(before["chart"]) == len(CHARTS)
    assets = shutil.copytree(SUPERSET / "assets", tmp_path / "assets")
    chart = assets / "charts" / "open_alerts.yaml"
    chart.write_text(chart.read_text().replace("slice_name: Open alerts", "slice_name: Alerts to work on"))
    superset.bootstrap(assets)
    names = {found["uuid"]: found["slice_name"] for found in superset.all_of("chart")}
    assert names[CHARTS["open_alerts"]["uuid"]] == "Alerts to work on"
    superset.bootstrap(SUPERSET / "assets")
    after = {kind: {found["uuid"]: found["id"] for found in superset.all_of(kind)} for kind in KINDS}
    assert after == before
    names = {found["uuid"]: found["slice_name"] for found in superset.all_of("chart")}
    assert names[CHARTS["open_alerts"]["uuid"]] == CHARTS["open_alerts"]["slice_name"]


def test_a_missing_dataset_is_named_and_changes_nothing(superset: Superset, tmp_path):
    before = {found["uuid"]: found["slice_name"] for found in superset.all_of("chart")}
    assets = shutil.copytree(SUPERSET / "assets", tmp_path / "assets")
    dataset = assets / "datasets" / "hosts.yaml"
    uuid = yaml.safe_load(dataset.read_text())["uuid"]
    dataset.unlink()
    with pytest.raises(AssertionError, match=f"cannot be imported.*{uuid}"):
        superset.bootstrap(assets)
    assert {found["uuid"]: found["slice_name"] for found in superset.all_of("chart")} == before


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{lake}/x.csv'",
        "ATTACH ':memory:' AS other",
        "CREATE TABLE t AS SELECT 1",
        "SELECT * FROM read_text('/etc/passwd')",
    ],
)
def test_sql_lab_of_the_administrator_only_reads_the_lake(superset: Superset, small_lake, statement):
    [database] = superset.all_of("database")
    answer = superset.post("sqllab/execute/", database_id=database["id"], sql=statement.format(lake=small_lake))
    assert answer.status_code >= 400, answer.text
    assert not (small_lake / "x.csv").exists()
    assert superset.post("sqllab/execute/", database_id=database["id"], sql="SELECT count(*) AS n FROM alerts").json()[
        "data"
    ] == [{"n": 30}]


def test_the_secrets_are_for_their_owner_alone(superset: Superset, small_lake):
    home = small_lake.parent / "superset_home"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    assert len(superset.sign_in.password) >= 20
    assert superset.sign_in.password not in superset.log.read_text()
