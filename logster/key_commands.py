"""`logster keys …`: the keys of the HTTP API."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from logster.command import AsJson, command_settings, show_rows
from logster.display import ERRORS, OUTPUT, keys_table, plain
from pipelines.errors import QueryError
from pipelines.schemas.access import Role
from pipelines.sources.names import TENANT_NAME

__all__ = ["keys_app"]

keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke keys of the HTTP API.")

_MOST_DAYS = 3650


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="whose key it is; what is changed with it is changed in this name")],
    tenant: Annotated[str | None, typer.Option(help="whose data it opens")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="it opens every tenant's data")] = False,
    role: Annotated[
        Role, typer.Option(help="readers look, analysts work on alerts, admins keep keys as well")
    ] = Role.READER,
    days: Annotated[int, typer.Option(min=0, max=_MOST_DAYS, help="it expires after so many; 0: never")] = 365,
) -> None:
    """Make a key and print it, this once."""
    from pydantic import TypeAdapter, ValidationError

    from api.access.keys import create_key
    from api.schemas import Name

    if (tenant is None) is not all_tenants:
        raise QueryError("say whose data the key opens: --tenant NAME, or --all-tenants")
    if tenant is not None and not re.fullmatch(TENANT_NAME, tenant):
        raise QueryError(f"tenant {tenant!r}: letters, digits, '.', '_', '-', 127 at most")
    try:
        name = TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise QueryError(f"a key cannot be called {name!r}: {error.errors()[0]['msg']}") from None
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=days) if days else None
    settings = command_settings()
    key, written = create_key(
        settings, name=name, tenant=tenant, role=role, now=now, expires_at=expires_at
    )  # fmt: skip
    until = f"until {expires_at:%Y-%m-%d}" if expires_at else "until it is revoked"
    whose = f"tenant {key.tenant}" if key.tenant else "all tenants"
    ERRORS.print(
        plain(
            f"key {key.key_id} of '{key.name}': {key.role} of {whose}, {until}, known to APIs that look into "
            f"{settings.api_keys_path}; it is shown this once:"
        ),
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    OUTPUT.print(written, highlight=False, soft_wrap=True)


@keys_app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List all keys that were made, without their secrets."""
    from api.access.keys import list_keys

    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "key_id": key.key_id,
            "name": key.name,
            "tenant": key.tenant,
            "role": str(key.role),
            "state": key.state(now),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "revoked_at": key.revoked_at,
        }
        for key in list_keys(command_settings())
    ]
    show_rows(rows, keys_table(rows), as_json=as_json, nothing="no keys")


@keys_app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="its id, as `logster keys list` shows it")]) -> None:
    """Revoke a key: within a second or two it opens nothing any more."""
    from api.access.keys import revoke_key

    key = revoke_key(command_settings(), key_id, now=datetime.now(UTC))
    OUTPUT.print(plain(f"key {key.key_id} of '{key.name}' is revoked since {key.revoked_at:%Y-%m-%d %H:%M} UTC"))
