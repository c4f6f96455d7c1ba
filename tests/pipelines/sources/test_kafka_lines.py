"""What Kafka records become: one row each, whatever is in them, with tenant, endpoint and format from where they stand."""

import time
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.settings import Settings
from pipelines.sources.files import SOURCE_LINES
from pipelines.sources.kafka import lines_of_kafka

pytestmark = pytest.mark.slow

_SCHEMA = "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT, headers ARRAY<STRUCT<key: STRING, value: BINARY>>"
_LONGEST = 4096
Headers = list[tuple[str, bytes | None]]


def record(
    value: bytes | None, *, key: bytes | None = None, topic: str = "logs", headers: Headers | None = None
) -> Any:
    return {"value": value, "key": key, "topic": topic, "headers": headers}


def frame(spark: SparkSession, records: list[Any]) -> DataFrame:
    rows = [(one["key"], one["value"], one["topic"], 3, at, one["headers"]) for at, one in enumerate(records)]
    return spark.createDataFrame(rows, _SCHEMA)


def lines(spark: SparkSession, records: list[Any], **settings: Any) -> list[dict[str, Any]]:
    told = Settings(max_record_bytes=_LONGEST, _env_file=None, **settings)
    found = lines_of_kafka(frame(spark, records), told)
    assert found.columns == SOURCE_LINES.names
    return [row.asDict() for row in found.collect()]


SEVERAL = "value holds several records (LOGSTER_KAFKA_FRAMING=lines reads each line)"
LINE = "Mar  2 10:02:11 web-01 sshd[99]: closed"
VALUES = {
    "plain": (b'{"a":1}', '{"a":1}', None),
    "with a line's end": (b"type=X msg=audit(1.0:1): a=1\r\n", "type=X msg=audit(1.0:1): a=1", None),
    "with a mark": (b"\xef\xbb\xbf{}", "{}", None),
    "of several lines": (b"04/12/2026 10:00:00 AM\nLogName=Security", "04/12/2026 10:00:00 AM\nLogName=Security", None),
    "printed over lines": (b'{\n"a": {\n"b": 1\n}\n}', '{\n"a": {\n"b": 1\n}\n}', None),
    "null": (None, "", "value is null (a tombstone)"),
    "empty": (b"", "", "value is empty"),
    "blank": (b" \n ", " \n ", "value is empty"),
    "no UTF-8": (b"caf\xe9 \xff", "caf\ufffd \ufffd", "value is not valid UTF-8"),
    "half a character": ("né".encode()[:2], "n\ufffd", "value is not valid UTF-8"),
    "a surrogate": (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", "value is not valid UTF-8"),
    "UTF-16": ("é".encode("utf-16"), "\ufffd\ufffd\ufffd\ufffd", "value is not valid UTF-8"),
    "NUL bytes": (b'{"a":"\0"}', '{"a":"\ufffd"}', "value holds NUL bytes"),
    "too long": (
        b"x" * (_LONGEST + 1),
        "x" * (_LONGEST + 1),
        f"value of {_LONGEST + 1} bytes is longer than {_LONGEST} (LOGSTER_MAX_RECORD_BYTES); kept its start",
    ),
    "as long as may be": (b"x" * _LONGEST, "x" * _LONGEST, None),
    "far too long": (
        b"y" * 500_000,
        "y" * 65_536,
        f"value of 500000 bytes is longer than {_LONGEST} (LOGSTER_MAX_RECORD_BYTES); kept its start",
    ),
    "two objects": (
        b'{"a":1} \r\n\n {"a":2}',
        '{"a":1} \r\n\n {"a":2}',
        SEVERAL,
    ),
    **{
        name: (text.encode(), text, SEVERAL)
        for name, text in {
            "lines with priority": f"<86>{LINE}\n<86>{LINE}",
            "lines of a file": f"{LINE}\r\n{LINE}",
            "lines of today": "<13>1 2026-03-02T10:02:11Z web-01 app - - - a\n<13>1 2026-03-02T10:02:12Z web-01 app - - - b",
            "lines of a file of today": "2026-03-02T10:02:11.5+01:00 web-01 app: a\n2026-03-02T10:02:12Z web-01 app: b",
            "counted frames on lines": f"{len(LINE) + 4} <86>{LINE}\n{len(LINE) + 4} <86>{LINE}",
            "a line after many": f"<86>{LINE}\n\tat a\n\tat b\n<86>{LINE}",
            "auditd, then syslog": f"type=X msg=audit(1.0:1): a=1\n{LINE}",
            "syslog, then JSON": f'{LINE}\n{{"a":1}}',
        }.items()
    },
    "a message over lines": (f"<86>{LINE}\n\tat a\n<b>".encode(), f"<86>{LINE}\n\tat a\n<b>", None),
    "two of auditd": (
        b"node=a type=X msg=audit(1.0:1): a=1\nnode=a type=Y msg=audit(1.0:1): b=2",
        "node=a type=X msg=audit(1.0:1): a=1\nnode=a type=Y msg=audit(1.0:1): b=2",
        SEVERAL,
    ),
}


def test_each_value_is_one_row_with_what_is_wrong_with_it(spark):
    found = lines(spark, [record(value) for value, _, _ in VALUES.values()])
    assert [row["origin"] for row in found] == [f"logs/3/{at}" for at in range(len(VALUES))]
    for name, row, (_, text, problem) in zip(VALUES, found, VALUES.values(), strict=True):
        assert (row["record"], row["source_problem"]) == (text, problem), name


def test_with_framing_lines_each_line_is_a_row_and_a_bad_value_stays_one(spark):
    values = [b'{"a":1}\r\n\n{"a":2}\n', b"one", b"bad\xff\nworse", None, b"\n\n"]
    found = lines(spark, [record(value) for value in values], kafka_framing="lines")
    assert [(row["origin"], row["record"], row["source_problem"]) for row in found] == [
        ("logs/3/0#0", '{"a":1}', None),
        ("logs/3/0#2", '{"a":2}', None),
        ("logs/3/1#0", "one", None),
        ("logs/3/2#0", "bad\ufffd\nworse", "value is not valid UTF-8"),
        ("logs/3/3#0", "", "value is null (a tombstone)"),
        ("logs/3/4#0", "", "value is empty"),
    ]


NAMELESS = "names no tenant that can be used (LOGSTER_KAFKA_TENANT_FROM)"
TENANTS = [
    ({"kafka_tenant": "acme"}, {"by the setting": (record(b"x"), "acme", None)}),
    ({"kafka_tenant_from": "topic"}, {"the topic": (record(b"x", topic="acme"), "acme", None)}),
    (
        {"kafka_tenant_from": "topic", "kafka_tenant_pattern": r"(logs)[.](?<tenant>[^.]+)[.].*"},
        {
            "part of the topic": (record(b"x", topic="logs.acme.windows"), "acme", None),
            "another topic": (record(b"x", topic="my.logs.acme.windows"), "default", NAMELESS),
        },
    ),
    (
        {"kafka_tenant_from": "key", "kafka_tenant_pattern": r"(?P<tenant>.*)/.*"},
        {
            "part of the key": (record(b"x", key=b"acme/web-1"), "acme", None),
            "no key": (record(b"x"), "default", NAMELESS),
        },
    ),
    (
        {"kafka_tenant_from": "header"},
        {
            "the last header": (record(b"x", headers=[("tenant", b"no"), ("tenant", b"acme")]), "acme", None),
            "no header": (record(b"x"), "default", NAMELESS),
            "a header of null": (record(b"x", headers=[("tenant", None)]), "default", NAMELESS),
            "no name": (record(b"x", headers=[("tenant", b"../etc")]), "default", NAMELESS),
            "a name and a line's end": (record(b"x", headers=[("tenant", b"acme\n")]), "default", NAMELESS),
            "no text": (record(b"x", headers=[("tenant", b"\xff")]), "default", NAMELESS),
            "a megabyte": (record(b"x", headers=[("tenant", b"a" * 1_000_000)]), "default", NAMELESS),
        },
    ),
]


def test_a_tenant_is_found_or_the_record_is_refused(spark):
    for settings, cases in TENANTS:
        found = lines(spark, [sent for sent, _, _ in cases.values()], **settings)
        for name, row, (_, tenant, problem) in zip(cases, found, cases.values(), strict=True):
            assert (row["tenant"], row["source_problem"]) == (tenant, problem), name


def test_endpoint_and_format_come_from_headers_or_key(spark):
    sent = [
        record(b"x", headers=[("endpoint", b"web-1"), ("format", b"auditd")], key=b"key-1"),
        record(b"x", headers=[("endpoint", b"web 1")], key=b"key-2"),
        record(b"x"),
    ]
    by_header, by_key = lines(spark, sent), lines(spark, sent, kafka_endpoint_from="key", kafka_format="winlogbeat")
    bad = "names an endpoint that cannot be used (LOGSTER_KAFKA_ENDPOINT_FROM)"
    assert [(row["endpoint_hint"], row["source"], row["source_problem"]) for row in by_header] == [
        ("web-1", "auditd", None), (None, "auto", bad), (None, "auto", None),
    ]  # fmt: skip
    assert [(row["endpoint_hint"], row["source"], row["source_problem"]) for row in by_key] == [
        ("key-1", "auditd", None), ("key-2", "winlogbeat", None), (None, "winlogbeat", None),
    ]  # fmt: skip


HARD = [
    b"}\n\t",
    b"} \t",
    b"}\n",
    b"type=A msg=audit(\n",
    b"node=a",
    b"\n",
    b" ",
    b"{",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
]


def test_large_values_cost_no_more_than_their_length(spark):
    n_bytes = 500_000
    sent = [record(start + part * (n_bytes // len(part))) for part in HARD for start in (b"{", b"type=A msg=audit(")]
    told = Settings(_env_file=None)
    began = time.monotonic()
    lines_of_kafka(frame(spark, sent), told).write.format("noop").mode("overwrite").save()
    assert time.monotonic() - began < 30  # two seconds; anything quadratic takes an hour
