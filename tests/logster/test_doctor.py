"""Each check finds what is wrong and says what to do."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from logster.doctor import CHECKS, examine
from pipelines.errors import SettingsError, SinkError, SourceError
from pipelines.settings import Settings
from tests.oidc_provider import ed_key, provider


def finding_of(check: str, tmp_path: Path, **settings):
    return CHECKS[check](Settings(lake=str(tmp_path / "lake"), _env_file=None, **settings))


def test_a_lake_that_is_not_there_yet_is_no_problem(tmp_path):
    assert finding_of("lake", tmp_path).remedy is None
    assert not (tmp_path / "lake").exists()


def test_a_foreign_table_is_found_with_what_it_lacks(tmp_path):
    write_deltalake(str(tmp_path / "lake" / "feedback"), pa.table({"feedback_id": ["1"], "tenant": ["acme"]}))
    finding = finding_of("lake", tmp_path)
    assert finding.what.startswith("table feedback lacks actor, alert_id, ")
    assert "LOGSTER_LAKE" in (finding.remedy or "")


def test_a_lake_below_a_file_is_found(tmp_path):
    (tmp_path / "lake").touch()
    assert "LOGSTER_LAKE" in (finding_of("lake", tmp_path).remedy or "")


def test_superset_is_no_problem_before_its_environment_is_made(tmp_path):
    assert finding_of("Superset", tmp_path).remedy is None
    assert "other engines" in CHECKS["Superset"](Settings(lake="s3://bucket/lake", _env_file=None)).what
    assert list(tmp_path.iterdir()) == []


def test_kafka_is_no_problem_where_it_is_not_used(tmp_path):
    assert finding_of("Kafka", tmp_path).remedy is None


def test_the_provider_of_tokens_is_asked_for_its_keys(tmp_path):
    assert finding_of("sign-in", tmp_path).remedy is None
    with provider(ed_key()) as soc:
        assert finding_of("sign-in", tmp_path, **soc.settings).what == (
            f"{soc.issuer} answers, with 1 keys that tokens are checked by"
        )
        soc.keys = []
        with pytest.raises(SourceError, match="holds no key for signatures"):
            finding_of("sign-in", tmp_path, **soc.settings)
    with pytest.raises(SourceError, match="does not answer"):
        finding_of("sign-in", tmp_path, **soc.settings)
    with pytest.raises(SettingsError, match="is set, and LOGSTER_OIDC_ROLES not"):
        finding_of("sign-in", tmp_path, **soc.settings | {"oidc_roles": None})


def test_mapping_files_are_read_and_a_wrong_one_is_named(tmp_path):
    assert finding_of("mappings", tmp_path).remedy is None
    file = tmp_path / "agent.toml"
    file.write_text('table = "/lake/agent"\nmapping = "ecs"')
    assert "agent of /lake/agent" in finding_of("mappings", tmp_path, delta_sources=str(file)).what
    with pytest.raises(SettingsError, match=r"agent2.toml \(LOGSTER_DELTA_SOURCES\)"):
        finding_of("mappings", tmp_path, delta_sources=f"{file},{tmp_path / 'agent2.toml'}")


def test_alerts_go_nowhere_without_brokers_and_that_is_no_problem(tmp_path):
    assert finding_of("alerts", tmp_path).remedy is None


@pytest.mark.slow
def test_the_topic_of_alerts_is_asked_for(tmp_path, kafka):
    there = {"alerts_kafka_servers": kafka.servers, "alerts_topic": kafka.create_topic(3)}
    assert "with 3 partitions" in finding_of("alerts", tmp_path, **there).what
    with pytest.raises(SinkError, match="has no topic absent"):
        finding_of("alerts", tmp_path, **there | {"alerts_topic": "absent"})


@pytest.mark.slow
@pytest.mark.usefixtures("spark")  # the first Spark of a machine brings Kafka's client
def test_brokers_and_topics_are_checked_without_spark(tmp_path, kafka):
    topic = kafka.create_topic(1)
    there = {"kafka_servers": kafka.servers, "kafka_topics": topic}
    assert topic in finding_of("Kafka", tmp_path, **there).what
    unmatched = finding_of("Kafka", tmp_path, **there | {"kafka_topics": "/nothing-.*/"})
    assert "LOGSTER_KAFKA_TOPICS" in (unmatched.remedy or "")
    with pytest.raises(SourceError, match=f"no topic {topic}x"):
        finding_of("Kafka", tmp_path, **there | {"kafka_topics": f"{topic}x"})


@pytest.mark.parametrize(("heap", "is_well"), [("1m", True), ("9999g", False)])
def test_the_heap_must_fit_into_free_memory(tmp_path, heap, is_well):
    assert (finding_of("memory", tmp_path, spark_driver_memory=heap).remedy is None) == is_well


def test_a_problem_is_a_row_and_the_answer_is_no(tmp_path, monkeypatch, capsys):
    wanted = ("Java", "memory")
    monkeypatch.setattr("logster.doctor.CHECKS", {name: CHECKS[name] for name in wanted})
    settings = Settings(lake=str(tmp_path / "lake"), java_home=str(tmp_path), spark_driver_memory="1m", _env_file=None)
    assert not examine(settings)
    java, memory = [
        line for line in capsys.readouterr().out.splitlines() if any(f" {name} " in line for name in wanted)
    ]
    assert "problem" in java
    assert "LOGSTER_JAVA_HOME" in java
    assert " ok " in memory
