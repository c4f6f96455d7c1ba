import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.errors import SettingsError
from pipelines.sinks.deliveries import Change, NotNow
from pipelines.sinks.syslog import SyslogCef, SyslogTarget, rfc5424

pytestmark = pytest.mark.fast

CASES = Path(__file__).parent / "cases"


def change_named(name: str) -> Change:
    body = (CASES / name / "change.json").read_bytes()
    document = json.loads(body)
    return Change(document["change_id"], document, body)


def expected(name: str) -> bytes:
    return (CASES / name / "syslog.txt").read_bytes().removesuffix(b"\n")


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that handles one connection after the other."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def read_frame(connection: socket.socket) -> bytes:
    """One octet-counted frame (RFC 6587, 3.4.1)."""
    head = b""
    while not head.endswith(b" "):
        head += connection.recv(1)
    wanted, message = int(head), b""
    while len(message) < wanted:
        message += connection.recv(wanted - len(message))
    return message


def target_at(scheme: str, port: int) -> SyslogTarget:
    return SyslogTarget(f"{scheme}://127.0.0.1:{port}", "LOGSTER_SYSLOG_TARGET", allow_private=True)


def test_frames_are_counted_and_one_connection_carries_them():
    frames, done = [], threading.Event()

    def serve(connection: socket.socket) -> None:
        frames.append([read_frame(connection) for _ in range(3)])
        done.set()

    with server(serve) as port, target_at("tcp", port) as target:
        send = SyslogCef(target, host=lambda: "soc-1")
        send([change_named("hostile_note")])
        send([change_named("created"), change_named("verdict")])
        assert done.wait(10)
    assert frames == [[expected("hostile_note"), expected("created"), expected("verdict")]]


def test_a_connection_that_the_server_closed_is_made_anew_before_anything_is_written():
    frames, closed = [], threading.Event()

    def serve(connection: socket.socket) -> None:
        frames.append(read_frame(connection))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        closed.set()

    with server(serve) as port, target_at("tcp", port) as target:
        for number in range(4):
            target.send([b"message %d" % number])
            assert closed.wait(10)
            closed.clear()
    assert frames == [b"message %d" % number for number in range(4)]


def test_datagrams_carry_one_message_each():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        with target_at("udp", receiver.getsockname()[1]) as target:
            SyslogCef(target, host=lambda: "soc-1")([change_named("updated")])
            assert receiver.recv(65_536) == expected("updated")


def test_nobody_listening_is_tried_again():
    with server(lambda _: None) as port:
        pass
    with target_at("tcp", port) as target, pytest.raises(NotNow, match=r"127\.0\.0\.1 cannot be reached"):
        target.send([b"x"])


@pytest.mark.parametrize(
    ("address", "allowed", "words"),
    [
        (None, True, "LOGSTER_SYSLOG_TARGET is not set"),
        ("siem.example:514", True, "is no address"),
        ("http://siem.example", True, "is no address"),
        ("tcp://siem.example:port", True, "is no address"),
        ("udp://93.184.216.34", False, "has no TLS"),
        ("tls://10.0.0.1", False, "which is no public address"),
    ],
)
def test_a_target_that_cannot_be_used_is_said_at_the_start(address, allowed, words):
    with pytest.raises(SettingsError, match=words):
        SyslogTarget(address, "LOGSTER_SYSLOG_TARGET", allow_private=allowed)


def test_the_header_is_that_of_rfc_5424():
    assert rfc5424("CEF:0|…", at="2026-03-01T12:00:00Z", host="soc-1") == (
        "<109>1 2026-03-01T12:00:00Z soc-1 logster - - - CEF:0|…".encode()
    )
