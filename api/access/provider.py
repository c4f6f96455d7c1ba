"""Which OpenID Connect provider's tokens the API takes, and whose tenant and role they give: read from the settings.

Its keys are fetched by ``api.access.provider_keys``, tokens checked by ``api.access.tokens``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from api.access.loopback import is_loopback
from pipelines.errors import SettingsError
from pipelines.schemas.access import Role
from pipelines.settings import Settings, variable_of
from pipelines.sources.names import TENANT_NAME

__all__ = ["ALL_TENANTS", "Provider", "is_safe_address", "read_provider"]

ALL_TENANTS = "*"
"""What stands for every tenant where values and their tenants are set."""

_HOST = re.compile(rb"[A-Za-z0-9._:-]+")

_NEEDED = ("oidc_issuer", "oidc_audience", "oidc_tenant_claim", "oidc_tenants", "oidc_role_claim", "oidc_roles")


@dataclass(frozen=True)
class Provider:
    """One provider, and what its tokens mean here.

    Attributes:
        issuer: as its tokens and its discovery document name it, letter for letter.
        audience: that its tokens must be for.
        tenant_claim: claim that holds the tenant's value.
        tenants: tenants by that value; None: every tenant's data.
        role_claim: claim that holds values of roles.
        roles: roles by such a value.
        name_claim: claim that holds in whose name changes are made; where a token lacks it, its `sub`.
    """

    issuer: str
    audience: str
    tenant_claim: str
    tenants: Mapping[str, str | None]
    role_claim: str
    roles: Mapping[str, Role]
    name_claim: str


def read_provider(settings: Settings) -> Provider | None:
    """The provider of the settings; None where none of them is set.

    Raises:
        SettingsError: some are set and others are not, or one cannot be used.
    """
    given = {name: (getattr(settings, name) or "").strip() for name in _NEEDED}
    missing = [variable_of(name) for name, value in given.items() if not value]
    if len(missing) == len(_NEEDED):
        return None
    if missing:
        a_set = next(variable_of(name) for name, value in given.items() if value)
        raise SettingsError(f"{a_set} is set, and {', '.join(missing)} not: sign-in takes all of them (docs/access.md)")
    return Provider(
        issuer=_issuer(given["oidc_issuer"]),
        audience=given["oidc_audience"],
        tenant_claim=given["oidc_tenant_claim"],
        tenants=_tenants(given["oidc_tenants"]),
        role_claim=given["oidc_role_claim"],
        roles=_roles(given["oidc_roles"]),
        name_claim=settings.oidc_name_claim,
    )


def is_safe_address(address: str) -> bool:
    """Say whether keys may be fetched there: by TLS, or on this machine; none with a name and password in it."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    if not _HOST.fullmatch(url.raw_host) or url.userinfo or url.fragment:
        return False
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))


def _issuer(address: str) -> str:
    variable = variable_of("oidc_issuer")
    if not is_safe_address(address):
        raise SettingsError(f"{variable} is {address!r}: `https://…`, or `http://` on this machine")
    if httpx.URL(address).query:
        raise SettingsError(f"{variable} is {address!r}: an issuer has no query")
    return address


def _tenants(text: str) -> dict[str, str | None]:
    variable = variable_of("oidc_tenants")
    found = _mapping(text, variable, "acme,globex,soc-group=*")
    for value, tenant in found.items():
        if tenant != ALL_TENANTS and not re.fullmatch(TENANT_NAME, tenant):
            raise SettingsError(
                f"{variable}: {value!r} stands for {tenant!r}, which is no tenant: letters, digits, '.', '_', '-', 127 at most, "
                f"or {ALL_TENANTS} for all"
            )
    return {value: None if tenant == ALL_TENANTS else tenant for value, tenant in found.items()}


def _roles(text: str) -> dict[str, Role]:
    variable = variable_of("oidc_roles")
    found = _mapping(text, variable, "soc-readers=reader,soc-analysts=analyst")
    for value, role in found.items():
        if role not in list(Role):
            raise SettingsError(f"{variable}: {value!r} stands for {role!r}, which is no role: {', '.join(Role)}")
    return {value: Role(role) for value, role in found.items()}


def _mapping(text: str, variable: str, example: str) -> dict[str, str]:
    """Values and what they stand for: a JSON object, or ``value=meaning,…``; a value alone stands for itself."""
    wrong = SettingsError(f"{variable} cannot be read: `{example}`, or a JSON object of the same, each value once")
    if text.startswith("{"):
        try:
            pairs: list[tuple[str, str]] = json.loads(text, object_pairs_hook=list)
        except (ValueError, RecursionError):
            raise wrong from None
    else:
        pairs = [_pair(part) for part in text.split(",") if part.strip()]
    found = dict(pairs)
    if (
        not pairs
        or len(found) != len(pairs)
        or not all(isinstance(part, str) and part for pair in pairs for part in pair)
    ):
        raise wrong
    return found


def _pair(text: str) -> tuple[str, str]:
    value, equals, meaning = text.rpartition("=")  # a value may have a = of its own
    return (value.strip(), meaning.strip()) if equals else (text.strip(), text.strip())
