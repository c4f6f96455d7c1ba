import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipelines.sinks.addresses import CheckedTransport, TargetRefused, is_public
from tests.http_receiver import receiving

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1",
        "64:ff9b::a00:1", "2001:0:808:808::80ff:fffe",
    ],
)  # fmt: skip
def test_other_addresses(address):
    assert not is_public(address)


def post(transport: CheckedTransport, url: str) -> httpx.Response:
    with httpx.Client(transport=transport, trust_env=False) as client:
        return client.post(url, content=b"{}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "0"])
def test_this_machine_is_refused_however_it_is_written(host):
    with receiving() as receiver:
        with pytest.raises(httpx.ConnectError):
            post(CheckedTransport(), f"http://{host}:{receiver.port}/")
        assert receiver.got == []


def test_a_name_that_leads_elsewhere_the_next_time_is_asked_once_and_never_connected_to(monkeypatch):
    answers = iter(["127.0.0.1", "93.184.216.34"])
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    with receiving() as receiver:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with pytest.raises(TargetRefused, match=r"rebind\.example is 127\.0\.0\.1, which is no public address"):
            post(CheckedTransport(), f"http://rebind.example:{receiver.port}/")
        assert (asked, receiver.got) == (["rebind.example"], [])


def test_allowed_it_goes_to_the_address_that_was_found_under_its_name(monkeypatch):
    """And past an address where nobody listens."""
    real = socket.getaddrinfo

    def resolve(host, port, *rest, **named):
        if host != "hooks.example":
            return real(host, port, *rest, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with receiving() as receiver:
        assert post(CheckedTransport(allow_private=True), f"http://hooks.example:{receiver.port}/in").status_code == 204
        assert (receiver.got[0].headers["host"], receiver.got[0].path) == (f"hooks.example:{receiver.port}", "/in")


@pytest.mark.parametrize("name", ["hooks.example", "other.example"])
def test_a_certificate_is_checked_against_the_name_and_not_the_address(monkeypatch, tmp_path, name):
    certificate = _certificate(tmp_path, "hooks.example")
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        connection, _ = listening.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                sent = b""
                while not sent.endswith(b"{}"):
                    sent += secured.recv(65_536)
                secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except OSError:
            pass  # the client does not like the certificate

    thread = threading.Thread(target=serve)
    thread.start()
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _, port, *rest, **named: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
    )
    transport = CheckedTransport(allow_private=True)
    transport._inner = httpx.HTTPTransport(verify=ssl.create_default_context(cafile=certificate), trust_env=False)
    try:
        if name == "hooks.example":
            assert post(transport, f"https://{name}:{port}/").status_code == 204
        else:
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                post(transport, f"https://{name}:{port}/")
    finally:
        thread.join(10)
        listening.close()


def _certificate(folder: Path, name: str) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(own).issuer_name(own).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = serialization.Encoding.PEM
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + builder.sign(key, hashes.SHA256()).public_bytes(pem)
    )
    return file
