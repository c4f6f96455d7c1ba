"""Nodes of a window graph as Spark expressions over the columns of ``events``.

A node's ``text`` is what features are made of; it still holds names and addresses, which ``models.tokens`` takes out.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = [
    "file_node", "network_node", "node", "parent_node", "registry_node", "script_node", "subject_node", "syscall_node",
    "target_node", "user_node",
]  # fmt: skip

_SCRIPT_CHARACTERS = 4_000
_TEXT_CHARACTERS = 2_000
_LABEL_CHARACTERS = 120


def node(kind: str, identity: Column, label: Column, text: Column, *, limit: int = _TEXT_CHARACTERS) -> Column:
    """A node; its type is part of its id, so that a file and a script of one name stay apart."""
    return F.struct(
        identity.alias("id"),
        F.lit(kind).alias("type"),
        F.substring(label, 1, _LABEL_CHARACTERS).alias("label"),
        F.substring(text, 1, limit).alias("text"),
    )


def subject_node() -> Column:
    """The acting process; where the event names none, the acting user; else the endpoint's unknown process."""
    has_process = F.coalesce("process_key", "process_path", F.col("process_pid").cast("string")).isNotNull()
    process = _process("process", F.concat_ws("\n", "process_path", "command_line", _user_line("user")))
    unknown = node("process", F.lit("process:unknown"), F.lit("unknown process"), F.lit("unknown"))
    return F.when(has_process, process).when(F.col("user").isNotNull(), user_node(F.col("user"))).otherwise(unknown)


def parent_node() -> Column:
    """The parent; null where the event names none."""
    known = F.coalesce("parent_key", "parent_path", F.col("parent_pid").cast("string")).isNotNull()
    return F.when(known, _process("parent", F.concat_ws("\n", "parent_path", "parent_command_line")))


def target_node() -> Column:
    """The process acted upon; null where the event names none."""
    known = F.coalesce("target_key", "target_path", F.col("target_pid").cast("string")).isNotNull()
    return F.when(known, _process("target", F.col("target_path")))


def file_node(path: Column) -> Column:
    """A file, module, pipe or share path; null without a path."""
    name = F.element_at(F.split(path, r"[/\\]"), -1)
    return F.when(path.isNotNull(), node("file", F.concat(F.lit("file:"), F.lower(path)), name, path))


def script_node() -> Column:
    """A script by its text; null without text."""
    text = F.col("script_text")
    identity = F.concat(F.lit("script:"), F.substring(F.sha2(text, 256), 1, 32))
    return F.when(text.isNotNull(), node("script", identity, text, text, limit=_SCRIPT_CHARACTERS))


def network_node(address: Column, port: Column, domain: Column) -> Column:
    """An address and port, or a name; null without either."""
    port_text = F.coalesce(port.cast("string"), F.lit("-"))
    where = F.coalesce(address, F.lower(domain))
    protocol = F.coalesce(F.lower("protocol"), F.lit("-"))
    identity = F.concat(F.lit("network:"), where, F.lit(":"), port_text, F.lit("/"), protocol)
    label = F.concat(
        F.coalesce(domain, address), F.when(port.isNotNull(), F.concat(F.lit(":"), port_text)).otherwise("")
    )
    text = F.concat_ws(
        "\n",
        F.when(address.isNotNull(), F.concat(F.lit("address="), address)),
        F.concat(F.lit("port="), port_text),
        F.concat(F.lit("protocol="), protocol),
        F.when(domain.isNotNull(), F.concat(F.lit("domain="), domain)),
    )
    return F.when(where.isNotNull(), node("network", identity, label, text))


def registry_node() -> Column:
    """A registry key with the data written; null without a key."""
    key = F.col("registry_key")
    name = F.element_at(F.split(key, r"\\"), -1)
    text = F.concat_ws("\n", key, F.concat(F.lit("data="), F.col("registry_value")))
    return F.when(key.isNotNull(), node("registry", F.concat(F.lit("registry:"), F.lower(key)), name, text))


def syscall_node(name: Column, detail: Column) -> Column:
    """A system call, privilege or kind of event."""
    return node("syscall", F.concat(F.lit("syscall:"), F.lower(name)), name, F.concat_ws("\n", name, detail))


def user_node(name: Column) -> Column:
    """An account; null without a name."""
    text = F.concat_ws("\n", _user_line(name), F.concat(F.lit("logon_type="), F.col("logon_type")))
    return F.when(name.isNotNull(), node("user", F.concat(F.lit("user:"), F.lower(name)), name, text))


def _process(role: str, text: Column) -> Column:
    path, pid = F.col(f"{role}_path"), F.col(f"{role}_pid")
    identity = F.coalesce(
        F.col(f"{role}_key"),
        F.concat(F.lit("pid:"), pid.cast("string")),
        F.concat(F.lit("path:"), F.lower(path)),
    )
    label = F.coalesce(F.col(f"{role}_name"), path, F.concat(F.lit("pid "), pid.cast("string")), F.lit("process"))
    return node("process", identity, label, text)


def _user_line(name: str | Column) -> Column:
    return F.concat(F.lit("user="), F.col(name) if isinstance(name, str) else name)
