import re
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tokens import names_in, tokens_of, unnamed

pytestmark = pytest.mark.fast

name = st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=10).map(lambda word: f"zz{word}")


def words(kind: str, text: str, endpoint: str = "") -> tuple[str, ...]:
    return unnamed(tokens_of(kind, text), names_in(endpoint, [(kind, text)]))


@settings(max_examples=60, deadline=None)
@given(user=name, host=name, guid=st.uuids(), address=st.ip_addresses(v=4), seconds=st.integers(0, 86_399))
def test_names_addresses_guids_and_clock_values_are_no_words(user, host, guid: uuid.UUID, address, seconds) -> None:
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    text = (
        f"C:\\Users\\{user}\\AppData\\run.exe\n"
        f"run.exe /user:{user} \\\\{host}\\share {{{guid}}} http://{address}:8443/a 2026-02-03 {clock} {host}\n"
        f"user={host.upper()}\\{user}"
    )
    seen = " ".join(words("process", text, f"{host}.corp.example"))
    assert user not in seen and host not in seen
    assert str(guid) not in seen and str(address) not in seen and clock not in seen and "2026" not in seen
    assert "run.exe" in seen


@settings(max_examples=40, deadline=None)
@given(address=st.ip_addresses(), port=st.integers(1, 65_535))
def test_network_nodes_keep_the_kind_of_address_only(address, port) -> None:
    told = words("network", f"address={address}\nport={port}\nprotocol=tcp")
    assert len(told) == 3
    assert re.fullmatch(r"net:<[a-z-]+>", told[0])
    assert all(str(address) not in token for token in told)


def test_same_work_of_two_people_has_the_same_words() -> None:
    one, other = (
        words("process", f"/home/{user}/bin/build\n/home/{user}/bin/build --jobs 4\nuser={user}", f"{host}.lan")
        for user, host in (("ada", "alpha"), ("grace", "omega"))
    )
    assert one == other


def test_what_the_command_was_stays() -> None:
    told = words("process", "/usr/bin/wget\nwget -q http://93.184.216.34/x.sh -O /tmp/x.sh\nuser=root")
    assert {"exe:wget", "dir:usr/bin", "cmd:-q", "cmd:<http>", "cmd:<public>", "ext:sh", "user:system"} <= set(told)
