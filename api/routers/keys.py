"""The API's own keys, for admins: those of their tenant, or of all tenants where they see all."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Path, status

from api.access.callers import Caller
from api.access.keys import Key, create_key, list_keys, revoke_key
from api.deps import CallerDep, NowDep, SettingsDep, refuse_below_admin
from api.errors import ForbiddenError, UnknownKeyError
from api.key_schemas import ApiKey, ApiKeyList, ApiKeyRequest, NewApiKey
from api.problems import FORBIDDEN, INVALID_REQUEST, NOT_JSON, TOO_LARGE, TOO_SLOW, UNKNOWN_KEY, documented
from pipelines.settings import Settings

__all__ = ["router"]

router = APIRouter(prefix="/keys", tags=["keys"], dependencies=[Depends(refuse_below_admin)])

# beside the line that each write leaves: which key it was about
_LOG = structlog.get_logger("logster.audit")


@router.get("", name="list_keys")
def list_all(settings: SettingsDep, caller: CallerDep, now: NowDep) -> ApiKeyList:
    """All keys that were made, without their secrets. For admins."""
    return ApiKeyList(keys=[ApiKey.of(key, now) for key in _keys(settings, caller.tenant)])


@router.post(
    "",
    name="create_key",
    status_code=status.HTTP_201_CREATED,
    responses=documented(FORBIDDEN, NOT_JSON, TOO_LARGE, TOO_SLOW, INVALID_REQUEST),
)
def create(settings: SettingsDep, caller: CallerDep, now: NowDep, request: ApiKeyRequest) -> NewApiKey:
    """Make a key. For admins.

    Its secret is told this once; a key whose answer was lost is revoked, and another made.
    """
    if caller.tenant is not None and request.tenant != caller.tenant:
        raise ForbiddenError(f"you make keys of tenant '{caller.tenant}' only")
    key, written = create_key(
        settings, name=request.name, tenant=request.tenant, role=request.role, now=now, expires_at=request.expires_at(now)
    )  # fmt: skip
    _note("key made", key, caller)
    return NewApiKey(key=written, made=ApiKey.of(key, now))


@router.delete("/{key_id}", name="revoke_key", responses=documented(UNKNOWN_KEY, INVALID_REQUEST))
def revoke(
    settings: SettingsDep,
    caller: CallerDep,
    now: NowDep,
    key_id: Annotated[str, Path(max_length=200, description="`key_id`, 12 hex digits")],
) -> ApiKey:
    """Revoke a key: within a second or two it opens nothing any more. One that was revoked before stays so. For admins."""
    if not any(key.key_id == key_id for key in _keys(settings, caller.tenant)):
        raise UnknownKeyError(key_id)
    key = revoke_key(settings, key_id, now=now)
    _note("key revoked", key, caller)
    return ApiKey.of(key, now)


def _note(event: str, key: Key, caller: Caller) -> None:
    # a name may be chosen by who has it: whose key or token it was is told as well
    _LOG.info(
        event, about=key.key_id, of=key.name, role=str(key.role), whose=key.tenant,
        name=caller.name, key_id=caller.key_id, subject=caller.subject, tenant=caller.tenant,
    )  # fmt: skip


def _keys(settings: Settings, tenant: str | None) -> list[Key]:
    """Keys that a caller of a tenant may know of."""
    return [key for key in list_keys(settings) if tenant is None or key.tenant == tenant]
