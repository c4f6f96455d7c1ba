"""The YAML files fit each other and the views that they are drawn from; no Superset is needed for that."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.locked_lake import LockedLake
from tests.dashboards.running import SUPERSET, VIEWS

pytestmark = pytest.mark.fast

ASSETS = {path: yaml.safe_load(path.read_text()) for path in sorted((SUPERSET / "assets").rglob("*.yaml"))}
OF_KIND = {
    kind: {path.stem: found for path, found in ASSETS.items() if kind in path.relative_to(SUPERSET).parts}
    for kind in ("databases", "datasets", "charts", "dashboards")
}
KINDS = {"INTEGER": "BIGINT"}  # a whole number to Superset


def keys_in(found: Any) -> set[str]:
    if isinstance(found, dict):
        return set(found) | {key for value in found.values() for key in keys_in(value)}
    return {key for value in found for key in keys_in(value)} if isinstance(found, list) else set()


def uuids_of(kind: str) -> set[str]:
    return {found["uuid"] for found in OF_KIND[kind].values()}


def test_every_uuid_is_given_once():
    counts = Counter(found["uuid"] for found in ASSETS.values() if "uuid" in found)
    assert counts
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.stem)
def test_no_numeric_ids_are_kept(path):
    assert keys_in(ASSETS[path]) & {"id", "slice_id", "datasource_id", "datasetId", "database_id", "dashboardId"} <= {
        "id"
    }
    assert all(not isinstance(node.get("id"), int) for node in dicts_in(ASSETS[path]))


def dicts_in(found: Any) -> list[dict[str, Any]]:
    below = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return ([found] if isinstance(found, dict) else []) + [node for value in below for node in dicts_in(value)]


@pytest.mark.parametrize("name", OF_KIND["datasets"])
def test_a_dataset_documents_exactly_the_columns_of_its_view(name, tmp_path: Path):
    dataset = OF_KIND["datasets"][name]
    cursor = LockedLake(str(tmp_path / "lake"), VIEWS).cursor()
    columns = {row[0]: row[1] for row in cursor.execute(f"DESCRIBE {name}").fetchall()}
    assert {column["column_name"]: column["type"] for column in dataset["columns"]} == {
        column: KINDS.get(kind, kind) for column, kind in columns.items()
    }
    assert [column["column_name"] for column in dataset["columns"] if not column["description"]] == []
    assert dataset["main_dttm_col"] is None or dataset["main_dttm_col"] in columns


def test_every_view_is_a_dataset():
    assert set(OF_KIND["datasets"]) == set(VIEWS)


@pytest.mark.parametrize("name", OF_KIND["charts"])
def test_a_chart_asks_for_what_its_dataset_has(name):
    chart = OF_KIND["charts"][name]
    [dataset] = [found for found in OF_KIND["datasets"].values() if found["uuid"] == chart["dataset_uuid"]]
    columns = {column["column_name"] for column in dataset["columns"]}
    metrics = {metric["metric_name"] for metric in dataset["metrics"]}
    params = chart["params"]
    groups = params.get("groupby") or []
    asked = {*params.get("all_columns", []), *([groups] if isinstance(groups, str) else groups)}
    asked |= {each["subject"] for each in params.get("adhoc_filters", [])}
    asked |= {params[key] for key in ("x_axis", "column") if key in params}
    assert asked <= columns
    assert {
        *params.get("metrics", []),
        *params.get("metrics_b", []),
        *([params["metric"]] if "metric" in params else []),
    } <= metrics
    assert params["viz_type"] == chart["viz_type"]


@pytest.mark.parametrize("name", OF_KIND["dashboards"])
def test_a_dashboard_shows_charts_and_filters_that_are_there(name):
    dashboard = OF_KIND["dashboards"][name]
    shown = [
        node["meta"]
        for node in dashboard["position"].values()
        if isinstance(node, dict) and node.get("type") == "CHART"
    ]
    assert shown
    assert {chart["uuid"] for chart in shown} <= uuids_of("charts")
    titles = {found["uuid"]: found["slice_name"] for found in OF_KIND["charts"].values()}
    assert all(chart["sliceName"] == titles[chart["uuid"]] for chart in shown)
    filters = dashboard["metadata"]["native_filter_configuration"]
    assert {"Tenant", "Platform", "Endpoint", "Severity", "Time"} <= {each["name"] for each in filters}
    assert {target["datasetUuid"] for each in filters for target in each["targets"] if target} <= uuids_of("datasets")
    assert dashboard["metadata"]["cross_filters_enabled"]


def test_every_chart_is_on_a_dashboard():
    shown = {
        node["meta"]["uuid"]
        for dashboard in OF_KIND["dashboards"].values()
        for node in dashboard["position"].values()
        if isinstance(node, dict) and node.get("type") == "CHART"
    }
    assert shown == uuids_of("charts")
