"""What audit records of each kind become: category, action and the columns that tell what was done to what."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow

_HEAD = 'arch=c000003e syscall={number} success=yes exit=0 {args} ppid=1 pid=2 uid=0 comm="t" exe="/usr/bin/t"'
_V4, _PATH = "saddr=0200005035B80C220000000000000000", 'item=0 name="/tmp/x" nametype={kind}'

# name, number on x86_64, arguments, other records, category, action, columns
CALLS: list[tuple[str, int, str, list[tuple[str, str]], str, str, dict[str, Any]]] = [
    ("execve", 59, "", [("EXECVE", 'argc=2 a0="t" a1="-x"')], "process", "process_created", {"command_line": "t -x"}),
    ("execveat", 322, "", [("EXECVE", 'argc=1 a0="t"')], "process", "process_created", {"command_line": "t"}),
    ("open", 2, "a1=0", [("PATH", _PATH.format(kind="NORMAL"))], "file", "file_read", {"file_path": "/tmp/x"}),
    ("openat", 257, "a2=241", [("PATH", _PATH.format(kind="NORMAL"))], "file", "file_written", {"file_path": "/tmp/x"}),
    ("openat", 257, "a2=241", [("PATH", _PATH.format(kind="CREATE"))], "file", "file_created", {"file_path": "/tmp/x"}),
    ("creat", 85, "", [("PATH", _PATH.format(kind="NORMAL"))], "file", "file_written", {"file_path": "/tmp/x"}),
    ("unlink", 87, "", [("PATH", _PATH.format(kind="DELETE"))], "file", "file_deleted", {"file_path": "/tmp/x"}),
    ("unlinkat", 263, "", [("PATH", _PATH.format(kind="DELETE"))], "file", "file_deleted", {"file_path": "/tmp/x"}),
    ("rename", 82, "", [("PATH", 'item=0 name="/a" nametype=DELETE'), ("PATH", 'item=1 name="/b" nametype=CREATE')],
     "file", "file_renamed", {"file_path": "/b"}),
    ("renameat2", 316, "", [("PATH", _PATH.format(kind="CREATE"))], "file", "file_renamed", {"file_path": "/tmp/x"}),
    ("chmod", 90, "a1=1ed", [("PATH", _PATH.format(kind="NORMAL"))], "file", "permissions_changed", {"file_path": "/tmp/x"}),
    ("fchmodat", 268, "", [("CWD", 'cwd="/tmp"'), ("PATH", 'item=0 name="x" nametype=NORMAL')], "file", "permissions_changed",
     {"file_path": "/tmp/x"}),
    ("chown", 92, "", [("PATH", _PATH.format(kind="NORMAL"))], "file", "owner_changed", {"file_path": "/tmp/x"}),
    ("connect", 42, "", [("SOCKADDR", _V4)], "network", "connected", {"dst_ip": "53.184.12.34", "dst_port": 80}),
    ("bind", 49, "", [("SOCKADDR", _V4)], "network", "listened", {"src_ip": "53.184.12.34", "src_port": 80}),
    ("accept", 43, "", [("SOCKADDR", _V4)], "network", "accepted", {"src_ip": "53.184.12.34", "src_port": 80}),
    ("accept4", 288, "", [("SOCKADDR", _V4)], "network", "accepted", {"src_ip": "53.184.12.34", "src_port": 80}),
    ("ptrace", 101, "a0=10 a1=4d2", [("OBJ_PID", 'opid=1234 oauid=0 ouid=0 oses=1 ocomm="sshd"')], "process",
     "process_accessed", {"target_pid": 1234, "target_name": "sshd"}),
    ("ptrace", 101, "a0=10 a1=4d2", [], "process", "process_accessed", {"target_pid": 1234}),
    ("kill", 62, "a0=4d2 a1=9", [], "process", "process_signalled", {"target_pid": 1234}),
    ("setuid", 105, "a0=0", [], "syscall", "privilege_changed", {"privilege": "setuid uid=0"}),
    ("setreuid", 113, "a0=0", [], "syscall", "privilege_changed", {"privilege": "setreuid uid=0"}),
    ("setresuid", 117, "a0=0", [], "syscall", "privilege_changed", {"privilege": "setresuid uid=0"}),
    ("setgid", 106, "a0=0", [], "syscall", "privilege_changed", {"privilege": "setgid uid=0"}),
    ("init_module", 175, "", [], "module", "module_loaded", {}),
    ("finit_module", 313, "", [("KERN_MODULE", 'name="rootkit"')], "module", "module_loaded", {}),
    ("mount", 165, "", [("PATH", _PATH.format(kind="NORMAL"))], "syscall", "mount", {"file_path": "/tmp/x"}),
]  # fmt: skip
_USER = 'pid=2 uid=0 auid=1000 ses=1 msg=\'op={op} acct="mia" exe="/usr/bin/t" hostname=h addr=10.1.1.9 terminal=ssh res={res}\''
# record type, record, action, outcome
MESSAGES = [
    ("USER_LOGIN", _USER.format(op="login", res="success"), "logon", "success"),
    ("USER_LOGIN", _USER.format(op="login", res="failed"), "logon_failed", "failure"),
    ("USER_AUTH", _USER.format(op="PAM:authentication", res="failed"), "logon_authenticated", "failure"),
    ("USER_START", _USER.format(op="PAM:session_open", res="success"), "logon_session", "success"),
    ("USER_END", _USER.format(op="PAM:session_close", res="success"), "logoff", "success"),
    ("USER_LOGOUT", _USER.format(op="login", res="success"), "logoff", "success"),
    ("CRED_ACQ", _USER.format(op="PAM:setcred", res="success"), "logon_credentials", "success"),
    ("ADD_USER", _USER.format(op="add-user", res="success"), "account_created", "success"),
    ("DEL_USER", _USER.format(op="delete-user", res="success"), "account_deleted", "success"),
    ("ADD_GROUP", _USER.format(op="add-group", res="success"), "group_created", "success"),
    ("USER_CHAUTHTOK", _USER.format(op="PAM:chauthtok", res="success"), "account_password_changed", "success"),
]


def _stamped(kind: str, number: int, body: str) -> str:
    return f"node=h type={kind} msg=audit(1700000000.000:{number}): {body}"


@pytest.fixture(scope="module")
def events(normalise, make_line) -> dict[tuple[str, int], dict[str, Any]]:
    """(tenant, row of the table) -> event; an event's records come in reverse order."""
    lines = []
    for number, (_, code, args, others, *_) in enumerate(CALLS):
        records = [("SYSCALL", _HEAD.format(number=code, args=args)), *others]
        for kind, body in reversed(records):
            lines.append(make_line(_stamped(kind, number, body), tenant="calls", origin=str(number)))
    for number, (kind, body, *_) in enumerate(MESSAGES):
        lines.append(make_line(_stamped(kind, number, body), tenant="messages", origin=str(number)))
    found = normalise(lines)
    assert not found.quarantine
    return {(row["tenant"], int(found.origins[row["record_id"]][0][1])): row for row in found.events}


def test_every_call_becomes_its_event_with_its_columns(events) -> None:
    wrong = []
    for number, (name, _, _, _, category, action, columns) in enumerate(CALLS):
        event = events["calls", number]
        expected = {"syscall": name, "category": category, "action": action, "outcome": "success", "user": "0",
                    "process_pid": 2, "parent_pid": 1, "process_path": "/usr/bin/t",
                    "process_name": "t", "event_code": "SYSCALL", **columns}  # fmt: skip
        got = {column: event.get(column) for column in expected}
        if got != expected:
            wrong.append(
                (name, {column: (got[column], value) for column, value in expected.items() if got[column] != value})
            )
    assert not wrong


def test_every_user_record_becomes_its_event(events) -> None:
    for number, (kind, _, action, outcome) in enumerate(MESSAGES):
        event = events["messages", number]
        assert (event["event_code"], event["category"], event["action"], event["outcome"]) == (
            kind,
            "auth",
            action,
            outcome,
        )
        assert (event["user"], event["process_path"], event["src_ip"]) == ("mia", "/usr/bin/t", "10.1.1.9")
