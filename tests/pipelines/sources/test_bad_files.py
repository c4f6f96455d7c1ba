"""Files that are damaged, hostile or of another kind: refused at the door or in quarantine, and the rest goes on."""

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.errors import IngestError
from pipelines.ingestion import ingest_batch
from pipelines.lake import Lake
from pipelines.ledger import read_ledger
from pipelines.settings import Settings
from pipelines.sources.files import lines_of_files
from pipelines.sources.ingest import ingest_file

_AT = datetime(2026, 1, 2, tzinfo=UTC)


def _event(number: int, endpoint: str = "ws-01", image: str = "C:\\a.exe") -> str:
    return json.dumps({"@timestamp": f"2024-03-05T08:{number // 60 % 60:02}:{number % 60:02}Z", "winlog": {
        "computer_name": endpoint, "provider_name": "Microsoft-Windows-Sysmon", "event_id": "5", "record_id": number,
        "event_data": {"ProcessId": str(number), "Image": image}}}, ensure_ascii=False)  # fmt: skip


def _lines(n: int, endpoint: str) -> bytes:
    return "\n".join(_event(number, endpoint) for number in range(n)).encode()


_NOISE = random.Random(7).randbytes
# name -> content, and either why the door refuses it or how many events and quarantine rows come of it
FILES: dict[str, tuple[bytes, str | None, tuple[int, int]]] = {
    "good.jsonl": (_lines(5, "good"), None, (5, 0)),
    "good.jsonl.gz": (gzip.compress(_lines(6, "packed")), None, (6, 0)),
    "good.jsonl.zst": (zstandard.ZstdCompressor().compress(_lines(7, "zpacked")), None, (7, 0)),
    "empty.jsonl": (b"", "empty", (0, 0)),
    "blank.jsonl": (b"\n \r\n\n", "blank", (0, 0)),
    "binary.log": (_NOISE(20_000), "binary", (0, 1)),
    "zeros.log": (bytes(5_000), "binary", (0, 1)),
    "events.evtx": (b"ElfFile\x00" + _NOISE(4_000), "evtx", (0, 1)),
    # the door refuses it whole; one that is cut after it has landed gives what came before the cut
    "cut.jsonl.gz": (gzip.compress(_lines(5_000, "cut"))[:-2_000], "truncated", (-1, 2)),
    "flipped.jsonl.gz": (gzip.compress(_lines(50, "flip"))[:60] + b"\xff" * 40, "truncated", (-1, 1)),
    "bomb.jsonl.gz": (gzip.compress(b"a" * 80_000_000, 9), "times its size", (0, 2)),
    "long.jsonl": (
        _event(1, "long").encode() + b"\n" + b"x" * 50_000_000 + b"\n" + _event(2, "long").encode(), None, (2, 1)),
    "utf16.jsonl": (_event(1, "utf16", "C:\\ä.exe").encode("utf-16"), None, (1, 0)),
    "utf16-no-mark.jsonl": (_event(1, "u16").encode("utf-16-le"), "binary", (0, 1)),
    "latin1.jsonl": (
        _event(1, "latin").encode() + b"\n" + _event(2, "latin", "C:\\ä.exe").encode("latin-1"), None, (1, 1)),
    "other.csv": (b"time,host\n1,a\n2,b\n", None, (0, 3)),
    "list.json": (json.dumps([{"EventID": 1}], indent=1).encode(), None, (0, 1)),
    "half-written.jsonl": (_lines(3, "half") + b"\n" + _event(9, "half").encode()[:100], None, (3, 1)),
    "null-byte.jsonl": (
        _event(1, "null").encode() + b"\n" + _event(2, "null", "C:\\x\\\\.exe").encode().replace(b"x", b"\x00"), None, (2, 0)),
}  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    """Limits so low that a small file passes them."""
    return Settings(lake=str(tmp_path / "lake"), max_compression_ratio=100, _env_file=None)


@pytest.mark.fast
@pytest.mark.parametrize("name", [name for name, (_, refusal, _) in FILES.items() if refusal])
def test_file_that_nothing_can_be_read_from_is_refused_at_the_door(tmp_path: Path, small: Settings, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name][0])
    with pytest.raises(IngestError, match=str(FILES[name][1])):
        ingest_file(path, small)
    assert not Path(small.landing_path).exists()


@pytest.mark.slow
def test_bad_files_in_the_landing_zone_spoil_nothing_but_themselves(
    spark: SparkSession, tmp_path: Path, small: Settings
) -> None:
    """Every file lands here, those that the door refuses as well: another tool may have put them there."""
    landed = []
    for name, (content, refusal, _) in FILES.items():
        path = tmp_path / name
        path.write_bytes(content)
        if refusal is None:
            landed.append(ingest_file(path, small, tenant=name).target)
        else:
            target = Path(small.landing_path) / f"tenant={name}" / "format=auto" / name
            target.parent.mkdir(parents=True)
            path.rename(target)
            landed.append(target)
    gone = Path(small.landing_path) / "tenant=gone" / "format=auto" / "gone.jsonl"
    lake = Lake(spark, small)
    lake.create_tables()
    files = spark.createDataFrame(
        [(path.as_uri(), path.stat().st_size if path.exists() else 1) for path in [*landed, gone]],
        "path string, length long",
    )
    counts = ingest_batch(lake, lines_of_files(files, small, n_tasks=2), stream_id="files", number=0, received_at=_AT)

    ledger = read_ledger(lake)
    assert ledger.balances
    assert (counts.n_records, counts.n_quarantined) == (ledger.n_raw, ledger.n_in_quarantine)
    n_events = {row["tenant"]: row["count"] for row in lake.read("events").groupBy("tenant").count().collect()}
    refused = lake.read("quarantine").groupBy("tenant").agg(F.collect_list("reason").alias("reasons")).collect()
    reasons = {row["tenant"]: row["reasons"] for row in refused}
    for name, (_, _, (events, quarantined)) in FILES.items():
        if events >= 0:
            assert n_events.get(name, 0) == events, name
        assert len(reasons.get(name, [])) == quarantined, (name, reasons.get(name))
    assert n_events["cut.jsonl.gz"] > 3_000
    assert "cannot be opened" in reasons["gone"][0]
    assert "50000000 bytes" in reasons["long.jsonl"][0]
    assert all(reason for told in reasons.values() for reason in told)
