"""HTTP to targets that others may name: the address that is connected to is looked at, not the name that leads there.

A name may lead elsewhere the next time it is asked for (DNS rebinding); so it is resolved here, once a request, and the
connection made to the very address that was found fit. Certificates are checked against the name all the same.
"""

import ipaddress
import socket
from typing import cast

import httpx

__all__ = ["CheckedTransport", "TargetRefused", "is_public"]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TargetRefused(httpx.ConnectError):
    """Every address of the target is private, of this machine, or otherwise not on the Internet."""


def is_public(text: str) -> bool:
    """Say whether an address is one of the Internet's: no private, loopback, link-local, shared, multicast or reserved one.

    An IPv6 address that stands for an IPv4 one (mapped, compatible, 6to4, Teredo, NAT64) is judged by that.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return all(each.is_global and not each.is_multicast for each in (address, *_embedded(address)))


def _embedded(address: _Address) -> list[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


class CheckedTransport(httpx.BaseTransport):
    """Connects to public addresses only.

    Args:
        allow_private: connect to any.
    """

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._inner = httpx.HTTPTransport(trust_env=False)

    def addresses(self, host: str, port: int) -> list[str]:
        """Addresses of a host that may be connected to, in the order in which they are tried.

        Raises:
            TargetRefused: there are only others.
            ConnectError: the name leads nowhere.
        """
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} cannot be resolved: {error}") from error
        found = list(dict.fromkeys(cast(str, answer[4][0]) for answer in answers))
        fit = [address for address in found if self._allow_private or is_public(address)]
        if not fit:
            raise TargetRefused(f"{host} is {', '.join(found)}, which is no public address")
        return fit

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address of its host that can be connected to."""
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        *others, last = self.addresses(host, port)
        for address in others:
            try:
                return self._send(request, host, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return self._send(request, host, last)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _send(self, request: httpx.Request, host: str, address: str) -> httpx.Response:
        # the header Host was set from the name; TLS asks for and checks the name by `sni_hostname`
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return self._inner.handle_request(sent)
