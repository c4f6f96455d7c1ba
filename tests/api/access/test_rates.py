import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.keys import create_key
from api.access.rates import _MOST_CALLERS, Rates, neighbourhood
from api.app import create_app
from pipelines.schemas.access import Role
from tests.api.access.test_door import NOW, kind
from tests.api.conftest import Client

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


class Clock:
    def __init__(self) -> None:
        self.now = 12_345

    def __call__(self) -> int:
        return self.now


@pytest.mark.fast
@pytest.mark.parametrize("per_minute", [1, 7, 60, 1200])
def test_so_many_come_at_once_and_then_evenly(per_minute):
    clock = Clock()
    rates = Rates(per_minute, clock=clock)
    assert [rates.wait_seconds("ann") for _ in range(per_minute)] == [0] * per_minute
    wait = rates.wait_seconds("ann")
    assert wait == -(-60 // per_minute)
    clock.now += MINUTE // per_minute - per_minute
    assert rates.wait_seconds("ann") > 0, "not a microsecond earlier"
    clock.now += per_minute
    assert rates.wait_seconds("ann") == 0
    assert rates.wait_seconds("ann") > 0
    clock.now += MINUTE
    assert [rates.wait_seconds("ann") for _ in range(per_minute)] == [0] * per_minute


@pytest.mark.fast
@given(st.integers(1, 50), st.lists(st.integers(0, 20 * SECOND), max_size=200))
def test_no_minute_holds_more_than_twice_as_many_and_who_waits_as_told_is_let_in(per_minute, pauses):
    clock = Clock()
    rates = Rates(per_minute, clock=clock)
    answered = []
    for pause in pauses:
        clock.now += pause
        if wait := rates.wait_seconds("ann"):
            clock.now += wait * SECOND
            assert rates.wait_seconds("ann") == 0
        answered.append(clock.now)
    for first in answered:
        assert sum(first <= one < first + MINUTE for one in answered) <= 2 * per_minute


@pytest.mark.fast
def test_callers_do_not_take_from_each_other_and_zero_lets_all_in():
    rates = Rates(1, clock=Clock())
    assert [rates.wait_seconds(who) for who in ("ann", "bob", "ann")] == [0, 0, 60]
    free = Rates(0)
    assert [free.wait_seconds("ann") for _ in range(5000)] == [0] * 5000


@pytest.mark.fast
def test_memory_is_bounded_and_who_asks_still_is_not_forgotten():
    rates = Rates(1, clock=Clock())
    assert rates.wait_seconds("ann") == 0
    for number in range(3 * _MOST_CALLERS):
        if number % (_MOST_CALLERS // 2) == 0:
            assert rates.wait_seconds("ann") > 0
        assert rates.wait_seconds(f"{number}") == 0
    assert len(rates._paid_until) == _MOST_CALLERS


@pytest.mark.fast
@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.9", "10.0.0.9"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"), ("unix", "unix"), ("", ""),
    ],
)  # fmt: skip
def test_addresses_that_one_caller_can_take_at_will_are_one(address, network):
    assert neighbourhood(address) == network


@pytest.fixture
def limited(settings):
    """An application that answers each caller three times."""
    return create_app(settings.model_copy(update={"api_requests_per_minute": 3}))


def test_each_key_has_its_own_count_and_is_told_when_to_come_again(limited, settings):
    one, other = (
        Client(limited, create_key(settings, name=name, tenant="acme", role=Role.READER, now=NOW)[1]) for name in "ab"
    )
    assert [one.get("/alerts").status_code for _ in range(3)] == [200] * 3
    refused = one.get("/alerts")
    assert kind(refused) == (429, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert "more than 3 requests in a minute" in refused.json()["detail"]
    assert other.get("/alerts").status_code == 200


def test_guessing_at_keys_is_counted_by_address_and_takes_nothing_from_those_who_have_one(limited, settings):
    holder = Client(limited, create_key(settings, name="a", tenant="acme", role=Role.READER, now=NOW)[1])
    stranger = Client(limited)
    statuses = [
        stranger.get("/alerts", headers={"X-API-Key": "lgs_000000000000_" + "0" * 64}).status_code,
        stranger.get("/alerts").status_code,
        stranger.get("/health").status_code,
        stranger.get("/health").status_code,
        stranger.get("/alerts", headers={"X-API-Key": "lgs_000000000001_" + "0" * 64}).status_code,
    ]
    assert statuses == [401, 401, 200, 429, 429]
    assert holder.get("/alerts").status_code == 200


def test_without_keys_this_machine_is_answered_as_often_as_it_asks(limited):
    assert [Client(limited).get("/alerts").status_code for _ in range(9)] == [200] * 9


def test_without_keys_outsiders_are_counted(limited):
    asked = [Client(limited).get("/alerts", headers={"Host": "logster.example"}).status_code for _ in range(4)]
    assert asked == [403, 403, 403, 429]
