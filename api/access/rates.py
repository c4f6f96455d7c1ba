"""How often each caller may ask, so that one does not take the API from the others. Each process counts for itself."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

__all__ = ["Rates", "neighbourhood"]

_MINUTE_NS = 60_000_000_000
_MOST_CALLERS = 10_000
"""Addresses can be had by the million; who has not asked for the longest time is forgotten first."""


class Rates:
    """Lets each caller make so many requests at once, and as many again within each minute, evenly; for one thread.

    Source: the generic cell rate algorithm (ITU-T I.371, annex A), as a virtual schedule: all that is kept of a caller is the
    time until which what it asked is paid for.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Begin with nobody having asked.

        Args:
            per_minute: requests; 0: any number.
            clock: time (ns) that never goes back.
        """
        # rounded down, so that a minute always holds as many as were promised
        self._step_ns = _MINUTE_NS // per_minute if per_minute else 0
        self._clock = clock
        self._paid_until = OrderedDict[str, int]()

    def wait_seconds(self, caller: str) -> int:
        """Count a request: 0, or where it is one too many, after how many whole seconds one may come; that one counts not."""
        if not self._step_ns:
            return 0
        now = self._clock()
        paid_until = max(self._paid_until.get(caller, now), now)
        excess = paid_until + self._step_ns - now - _MINUTE_NS
        self._paid_until[caller] = paid_until if excess > 0 else paid_until + self._step_ns
        self._paid_until.move_to_end(caller)
        if len(self._paid_until) > _MOST_CALLERS:
            self._paid_until.popitem(last=False)
        return max(0, -(-excess // 1_000_000_000))


def neighbourhood(address: str) -> str:
    """The network that a caller can take its address from at will: of IPv6 the /64, else the address itself."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address
