"""What the API takes and gives about its own keys, as typed models."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from api.access.keys import Key
from api.schemas import Name
from pipelines.schemas.access import Role
from pipelines.sources.names import TENANT_NAME

__all__ = ["MAX_KEY_DAYS", "ApiKey", "ApiKeyList", "ApiKeyRequest", "NewApiKey"]

MAX_KEY_DAYS = 3650


def _whole(value: object) -> object:
    """JSON has one kind of numbers: 30.0 is as whole as 30; a text is none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class ApiKey(BaseModel):
    """A key of the API, without its secret."""

    key_id: str = Field(description="12 hex digits; part of the key, no secret")
    name: str = Field(description="who changes what is changed with it")
    tenant: str | None = Field(description="whose data it opens; null: every tenant's")
    role: Role
    state: Literal["valid", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None = Field(description="from then on it opens nothing; null: never")
    revoked_at: datetime | None = Field(description="null: it was not revoked")

    @classmethod
    def of(cls, key: Key, now: datetime) -> Self:
        """A key as it is told."""
        return cls(
            key_id=key.key_id,
            name=key.name,
            tenant=key.tenant,
            role=key.role,
            state=key.state(now),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


class NewApiKey(BaseModel):
    """A key that was just made."""

    key: str = Field(description="what its holder sends; it is kept nowhere, and told this once")
    made: ApiKey


class ApiKeyList(BaseModel):
    """All keys that were ever made of what the caller sees, oldest first."""

    keys: list[ApiKey]


class ApiKeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "ann", "tenant": "acme", "role": "analyst", "days": 90}]},
    )

    name: Name = Field(description="whose key it is; what is changed with it is changed in this name")
    tenant: Annotated[str, StringConstraints(pattern=f"^{TENANT_NAME}$")] | None = Field(
        description="whose data it opens; null: every tenant's, which takes a caller of all tenants"
    )
    role: Role = Role.READER
    days: Annotated[int, Field(strict=True, ge=0, le=MAX_KEY_DAYS), BeforeValidator(_whole)] = Field(
        365, description="it expires after so many; 0: never"
    )

    def expires_at(self, now: datetime) -> datetime | None:
        """When it expires, made now; None: never."""
        return now + timedelta(days=self.days) if self.days else None
