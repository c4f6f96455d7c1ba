"""The commands that need no Spark, as processes: what they print, where, and their exit codes."""

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from logster import cli


def only_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


def test_help_names_every_command(logster):
    shown = logster("--help")
    assert shown.returncode == 0
    for command in (
        "up",
        "ingest",
        "run",
        "score",
        "sql",
        "alerts",
        "quarantine",
        "ledger",
        "models",
        "keys",
        "doctor",
    ):
        assert f" {command} " in shown.stdout


@pytest.mark.parametrize(("argument", "exit_code", "shown"), [("--help", 0, "quarantine"), ("nonsense", 2, "")])
def test_what_goes_down_with_the_interpreter_leaves_the_exit_code_as_it_is(argument, exit_code, shown):
    program = (
        "import atexit, os\n"
        "from logster import cli\n"
        "class Late:\n"
        "    def __del__(self): os.abort()\n"
        "late, commands = Late(), cli.app\n"
        "cli.app = lambda: (atexit.register(print, 'put away'), commands())\n"
        "cli.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, argument], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == exit_code, ended.stderr
    assert shown in ended.stdout
    assert ended.stdout.endswith("put away\n")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOGSTER_API_PORT", "http"),
        ("LOGSTER_WINDOW_WIDTH", "PT90S"),
        ("LOGSTER_TRIGGER", "soon"),
        ("LOGSTER_ALLOWED_LATENESS", "-PT20S"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(logster, variable, value):
    ended = logster("alerts", **{variable: value})
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert only_line(ended.stderr).startswith("logster: LOGSTER_")
    if variable != "LOGSTER_WINDOW_WIDTH":  # the slide no longer divides it
        assert variable in ended.stderr


def test_ingest_lands_good_files_and_refuses_bad_ones(logster, tmp_path):
    good, empty = tmp_path / "host-1.log", tmp_path / "empty.log"
    good.write_text('type=EXECVE msg=audit(1700000000.123:1): argc=1 a0="id"\n' * 3)
    empty.touch()
    ended = logster("ingest", str(good), str(empty), "--tenant", "acme")
    assert ended.returncode == 1
    assert "1 files, 3 records" in ended.stdout
    assert f"refused {empty}: file is empty" in ended.stderr
    landed = [path for path in (tmp_path / "lake" / "_landing").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in landed] == [good.read_bytes()]
    assert "tenant=acme" in landed[0].parts


def test_an_unknown_format_is_refused_with_the_known_ones(logster, tmp_path):
    ended = logster("ingest", str(tmp_path), "--format", "syslogg")
    assert ended.returncode == 1
    refusal = only_line(ended.stderr)
    assert "no format 'syslogg'; there are " in refusal
    assert " auditd, " in refusal


@pytest.mark.parametrize("command", [("train",), ("evaluate", "logster-linux@champion")])
def test_labelled_telemetry_must_be_named(logster, command):
    ended = logster("models", *command)
    assert ended.returncode == 2
    assert "Missing option '--data'" in ended.stderr


@pytest.mark.parametrize("command", [("alerts",), ("sql", "SELECT 1"), ("ledger",)])
def test_a_missing_lake_is_one_line(logster, command):
    ended = logster(*command)
    assert ended.returncode == 1
    assert only_line(ended.stderr).startswith("logster: there is no lake at ./lake (LOGSTER_LAKE)")


def test_alerts_are_shown_newest_first_on_lines_that_are_not_cut(logster, write_alert):
    summary = "sh ran [bold]curl[/] " + "x" * 200 + " \x1b[2J"
    write_alert(1)
    write_alert(2, severity="CRITICAL", attack_prob=0.99, related_endpoints=["web-1"])
    write_alert(3, contributing_events=[{"event_id": "e", "weight": 1.0, "summary": summary}])
    shown = logster("alerts").stdout
    rows = [line for line in shown.splitlines() if " acme " in line]
    assert [row.split("│")[6].strip() for row in rows] == ["web-3", "web-2", "web-1"]
    assert (
        summary.replace("\x1b", "\N{REPLACEMENT CHARACTER}") in rows[0]
    )  # brackets are text, and no escape gets through
    told = [json.loads(line) for line in logster("alerts", "--json", "--limit", "2").stdout.splitlines()]
    assert [alert["endpoint"] for alert in told] == ["web-3", "web-2"]
    assert told[0]["last_seen"] == "2026-03-01T12:03:00Z"
    assert told[0]["page"] == f"http://127.0.0.1:8080/ui/alerts/{3:064x}"
    assert logster("alerts", "--tenant", "globex").stdout == "no alerts\n"


def test_the_beginning_of_an_id_is_enough_where_one_alert_has_it(logster, write_alert):
    first, second = "ab" + "0" * 62, "ac" + "0" * 62
    write_alert(1, alert_id=first)
    write_alert(2, alert_id=second)
    assert logster("alerts", "ack", "ac").stdout == f"{second} is acknowledged\n"
    assert logster("feedback", "ab0", "true_positive").returncode == 0
    refused = logster("alerts", "ack", "a")
    assert refused.returncode == 1
    assert only_line(refused.stderr) == "logster: 2 alerts have an id that begins with 'a'; give more of it"


def test_sql_sees_every_table_and_a_bad_query_is_one_line(logster, write_alert):
    write_alert(1)
    shown = logster("sql", "SELECT endpoint, ['a', 'b'] AS list FROM alerts LEFT JOIN events USING (endpoint)").stdout
    assert "web-1" in shown
    assert "['a', 'b']" in shown
    bad = logster("sql", "SELECT nonsense FROM alerts")
    assert bad.returncode == 1
    assert "nonsense" in only_line(bad.stderr)


def test_up_names_the_ports_in_use_and_their_settings_before_anything_starts(logster, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = logster("up", LOGSTER_API_PORT=str(port), LOGSTER_MLFLOW_PORT=str(port))
    assert ended.returncode == 1
    told = only_line(ended.stderr)
    assert f"port {port} of the API is in use: set LOGSTER_API_PORT to another" in told
    assert f"port {port} of MLflow is wanted twice: set LOGSTER_MLFLOW_PORT to another" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # MLflow takes seconds to import
def test_an_unknown_model_is_one_line(logster, write_alert):
    write_alert(1)
    ended = logster("score", "--model", "logster-linux@nobody", "--from", "2026-01-01", "--to", "2026-01-02")
    assert ended.returncode == 1
    assert only_line(ended.stderr).startswith("logster: there is no model logster-linux@nobody in sqlite:///")


def test_alert_is_worked_on_as_over_the_api(logster, write_alert):
    write_alert(1)
    alert_id = json.loads(logster("alerts", "--json").stdout)["alert_id"]
    done = logster("alerts", "ack", alert_id, "--note", "mine", "--assignee", "ann")
    assert (done.returncode, done.stdout) == (0, f"{alert_id} is acknowledged, ann works on it\n"), done.stderr
    row = next(line for line in logster("alerts").stdout.splitlines() if " acme " in line).split("│")
    assert (alert_id[:8], "acknowledged") == (row[1].strip(), row[3].strip())
    assert logster("alerts", "false-positive", alert_id).returncode == 0
    refused = logster("alerts", "ack", alert_id)
    assert refused.returncode == 1
    assert "'false_positive' it may go to: investigating, resolved" in only_line(refused.stderr)
    assert "no alert 'nope'" in only_line(logster("alerts", "resolve", "nope").stderr)
    assert "note: String should" in only_line(logster("alerts", "investigate", alert_id, "--note", "\x1b[2J").stderr)
    assert logster("feedback", alert_id, "false_positive", "--comment", "scan").stdout.startswith(
        "false_positive recorded"
    )
    shown = logster("sql", "SELECT to_status, assignee, note FROM alert_changes ORDER BY changed_at").stdout
    assert [line.split() for line in shown.splitlines() if "ann" in line] == [
        ["│", "acknowledged", "│", "ann", "│", "mine", "│"], ["│", "false_positive", "│", "ann", "│", "│"],
    ]  # fmt: skip


def test_a_ledger_before_anything_was_read_is_one_line(logster, tmp_path):
    (tmp_path / "lake").mkdir()
    ended = logster("ledger")
    assert ended.returncode == 1
    assert only_line(ended.stderr).startswith("logster: nothing was read into ./lake yet; `logster run` does that")


def test_a_landing_zone_that_cannot_be_written_is_named(logster, tmp_path):
    file = tmp_path / "host-1.log"
    file.write_text('type=EXECVE msg=audit(1700000000.123:1): argc=1 a0="id"\n')
    ended = logster("ingest", str(file), LOGSTER_LANDING="/dev/null/zone")
    assert ended.returncode == 1
    assert f"refused {file}: cannot be put into /dev/null/zone (LOGSTER_LANDING, LOGSTER_LAKE): Not a" in ended.stderr


@pytest.mark.slow
def test_what_java_threw_is_told_with_its_cause(spark, monkeypatch, capsys):
    monkeypatch.setattr("logster.cli.app", lambda: spark._jvm.java.io.FileInputStream("/nowhere/x"))
    assert cli._run_app() == 1
    told = capsys.readouterr().err
    assert told.startswith("logster: unexpected Py4JJavaError: ")
    assert "FileNotFoundException: /nowhere/x (No such file or directory) (LOGSTER_LOG_LEVEL=DEBUG shows where)" in told


def test_alerts_are_kept_quiet_and_heard_again(logster, write_alert):
    seen = datetime.now(UTC)
    write_alert(1, last_seen=seen)
    given = ("--tenant", "acme", "--reason", "the scanner", "--back-minutes", "5")
    refused = logster("alerts", "suppress", *given, "--minutes", "60")
    assert refused.returncode == 1
    assert "name an endpoint, a technique or a rule_id" in only_line(refused.stderr)
    assert "minutes: Input should be" in only_line(
        logster("alerts", "suppress", *given, "--endpoint", "web-1", "--minutes", "0").stderr
    )
    made = logster("alerts", "suppress", *given, "--endpoint", "WEB-1", "--minutes", "60")
    assert made.returncode == 0, made.stderr
    suppression_id = made.stdout.split()[0]
    assert made.stdout.startswith(f"{suppression_id} keeps 1 alerts quiet, until ")
    assert logster("alerts").stdout == "no alerts\n"
    (alert,) = map(json.loads, logster("alerts", "--suppressed", "--json").stdout.splitlines())
    assert alert["suppressed_by"] == suppression_id
    (one,) = map(json.loads, logster("alerts", "suppressions", "--json").stdout.splitlines())
    assert (one["endpoint"], one["state"], one["n_alerts"], one["reason"]) == ("web-1", "active", 1, "the scanner")
    assert "the scanner" in logster("alerts", "suppressions").stdout
    assert logster("alerts", "unsuppress", suppression_id).stdout.startswith(f"{suppression_id} is deleted since ")
    assert "web-1" in logster("alerts").stdout
    assert "no suppression 'nope'" in only_line(logster("alerts", "unsuppress", "nope").stderr)


def test_a_wrong_file_of_suppressions_is_one_line(logster, write_alert, tmp_path):
    write_alert(1)
    (tmp_path / "quiet.yml").write_text("- {id: a}\n")
    ended = logster("alerts", LOGSTER_SUPPRESSIONS=str(tmp_path / "quiet.yml"))
    assert ended.returncode == 1
    assert "quiet.yml, entry 1: tenant: Field required" in only_line(ended.stderr)
