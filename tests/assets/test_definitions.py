"""What Dagster finds when it loads the definitions, against a snapshot; and that loading starts nothing."""

import json
import subprocess
import sys

import dagster as dg
import pytest

from assets.definitions import defs
from assets.jobs import micro_batches
from assets.reporting import create_instance, prepared_dagster_home


@pytest.mark.fast
def test_assets_and_what_they_depend_on():
    graph = defs.get_repository_def().asset_graph
    found = {
        key.to_user_string(): (
            {parent.to_user_string() for parent in graph.get(key).parent_keys},
            graph.get(key).is_materializable,
            graph.get(key).partitions_def is not None,
        )
        for key in graph.get_all_asset_keys()
    }
    assert found == {
        "raw": (set(), False, False),
        "events": ({"raw"}, False, False),
        "quarantine": ({"raw"}, False, False),
        "window_graphs": ({"events"}, True, True),
        "window_scores": ({"window_graphs"}, True, True),
        "alerts": ({"window_scores"}, True, True),
    }


@pytest.mark.fast
def test_checks():
    keys = defs.get_repository_def().asset_graph.asset_check_keys
    assert {(key.asset_key.to_user_string(), key.name) for key in keys} == {
        ("raw", "ledger_balances"),
        ("raw", "records_arrive"),
        ("window_scores", "detection_keeps_up"),
        *[
            (table, "shape_is_declared")
            for table in ("raw", "events", "quarantine", "window_graphs", "window_scores", "alerts")
        ],
    }


@pytest.mark.fast
def test_what_writes_windows_shares_a_pool_and_a_range_of_hours_is_one_run():
    graph = defs.get_repository_def().asset_graph
    for name in ("window_graphs", "window_scores", "alerts"):
        node = graph.get(dg.AssetKey(name))
        assert node.pools == {"detection"}
        assert node.backfill_policy == dg.BackfillPolicy.single_run()
    assert defs.resolve_job_def("micro_batch").graph.node_defs[0].pool == "detection"


@pytest.mark.fast
def test_jobs_and_schedules_which_are_delivered_stopped():
    repository = defs.get_repository_def()
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {
        "micro_batch", "rebuild_detection", "check_lake",
    }  # fmt: skip
    assert {(each.name, each.job_name, each.cron_schedule, each.default_status.value) for each in repository.schedule_defs} == {
        ("micro_batches", "micro_batch", "*/5 * * * *", "STOPPED"),
        ("hourly_checks", "check_lake", "30 * * * *", "STOPPED"),
    }  # fmt: skip


@pytest.mark.slow
def test_a_micro_batch_is_not_started_beside_one_that_has_not_ended(settings):
    with create_instance(prepared_dagster_home(settings)) as instance:
        context = dg.build_schedule_context(instance=instance)
        assert len(micro_batches.evaluate_tick(context).run_requests) == 1
        instance.add_run(dg.DagsterRun(job_name="micro_batch", run_id="1", status=dg.DagsterRunStatus.STARTED))
        tick = micro_batches.evaluate_tick(context)
        assert (tick.run_requests, tick.skip_message) == ([], "the micro-batch before has not ended yet")


@pytest.mark.slow
def test_loading_starts_no_spark_and_takes_no_model():
    code = (
        "import json, sys, time, assets.definitions\n"
        "from pyspark import SparkContext\n"
        "heavy = [name for name in ('torch', 'mlflow', 'matplotlib') if name in sys.modules]\n"
        "print(json.dumps([SparkContext._active_spark_context is None, heavy, time.process_time()]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    no_spark, heavy, seconds = json.loads(done.stdout)
    assert (no_spark, heavy) == (True, [])
    assert seconds < 5  # processor time: the machine may be busy
