"""Who asks: name, role, and whose data it may see. How that is told is ``api.access.door``'s."""

from dataclasses import dataclass

from api.errors import ForbiddenError, OtherActorError
from api.schemas import ANONYMOUS
from pipelines.schemas.access import Role

__all__ = ["ON_THIS_MACHINE", "Caller"]


@dataclass(frozen=True)
class Caller:
    """Someone who was let in.

    Attributes:
        name: who does what it does.
        role: what it may do.
        tenant: whose data it sees; None: every tenant's.
        key_id: of its API key; None where it came in otherwise.
        subject: whom its token names at the provider (`sub`); None where it came in otherwise.
        is_named: whether `name` was proven; else it says itself who it is.
    """

    name: str
    role: Role
    tenant: str | None
    key_id: str | None = None
    is_named: bool = True
    subject: str | None = None

    @property
    def counted_as(self) -> str | None:
        """Under which name its requests are counted; None where its address is its name."""
        return self.key_id or (None if self.subject is None else f"subject {self.subject}")

    def actor(self, given: str) -> str:
        """In whose name a change is made.

        Args:
            given: as the request says; `ANONYMOUS` where it says nothing.

        Raises:
            OtherActorError: it is proven who asks, and that is another.
        """
        if not self.is_named:
            return given
        if given not in (ANONYMOUS, self.name):
            raise OtherActorError(self.name)
        return self.name

    def refuse_below_admin(self) -> None:
        """Make sure that it may say who else is let in.

        Raises:
            ForbiddenError: it may not, or it is whoever asks where there are no keys: who asks first must not lock the others out.
        """
        if not self.is_named:
            raise ForbiddenError("the first key is made by `logster keys create`, by who may write the lake")
        if not self.role.covers(Role.ADMIN):
            raise ForbiddenError(f"keys take role '{Role.ADMIN}', and '{self.name}' has '{self.role}'")

    def refuse_one_tenant(self) -> None:
        """Make sure that it sees every tenant's data.

        Raises:
            ForbiddenError: it is bound to one.
        """
        if self.tenant is not None:
            raise ForbiddenError(
                "this is about all tenants, and the key or token is one tenant's; use one of all tenants"
            )


ON_THIS_MACHINE = Caller(ANONYMOUS, Role.ADMIN, None, is_named=False)
"""Whoever asks where there are no keys, and only this machine is listened to."""
