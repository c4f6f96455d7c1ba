"""What an event of one provider and number is called and which of its fields fill which columns, as data.

How a value is converted is the same for all kinds and stands in ``pipelines.normalise.windows``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["COLUMNS", "Kind"]

# columns that a kind may fill, with how many alternative fields any kind names for it at most
COLUMNS = (
    "user", "user_name", "user_domain", "other_name", "other_domain", "process_guid", "process_pid", "process_path",
    "command_line", "parent_guid", "parent_pid", "parent_path", "parent_command_line", "target_guid", "target_pid",
    "target_path", "file_path", "file_tail", "file_hash", "script_text", "dst_ip", "dst_port", "dst_domain", "src_ip",
    "src_port", "protocol", "registry_key", "registry_tail", "registry_value", "logon_type", "privilege", "signed",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of event.

    Attributes:
        code: the provider's event number.
        category: one of `EVENT_CATEGORIES`.
        action: what was done.
        fills: column of `COLUMNS` -> field of the record; two fields are split by ``|`` and the first present counts.
            ``user`` is a whole name, ``user_name`` and ``user_domain`` are its parts; ``other_*`` take precedence where
            given. ``file_tail`` and ``registry_tail`` are appended to the path with a backslash. ``signed`` fills
            ``is_signed``.
        variant_by: field whose value picks among kinds of the same code.
        variant: value of that field that this kind is for; the kind without one is for all others.
        from_header: whether the acting process and user are those that the record's header names.
        outcome: ``success`` or ``failure`` where the kind alone tells.
    """

    code: str
    category: str
    action: str
    fills: Mapping[str, str] = field(default_factory=dict)
    variant_by: str | None = None
    variant: str | None = None
    from_header: bool = False
    outcome: str | None = None
