"""Words of a node's or edge's text, with everything that only names one machine, person or moment taken out.

| in the text | becomes |
| --- | --- |
| accounts, hosts, domains, profile folders | `<user>`, `<host>`, `<name>`; SYSTEM, root and service accounts keep a class |
| addresses | loopback, private, link-local, multicast or public |
| ports | the number where it is a service's, else a class |
| GUIDs, SIDs, hashes, encoded and random strings, clock values, numbers | one class each |
| words that only a test laboratory uses | nothing |

What a word is worth (which words a model knows) is left to ``models.vocabulary``.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

__all__ = ["MAX_TOKENS", "NAME", "TOKENS_VERSION", "names_in", "tokens_of", "unnamed"]

TOKENS_VERSION = 1
"""Of the words that the same event gives; the shipped weights were trained on these.

Raise it in the commit that changes `tokens_of`, `names_in` or `unnamed`, the hash of a word or the shapes of unknown ones
(`models.vocabulary`), or the texts of nodes and edges (`pipelines.windows.nodes`, `.edges`), and train anew in the same
commit: weights trained on other tokens are refused, and so is a training lake made before. Not for what only makes it
faster. ``tests/models/cases/`` holds words and texts of this version, and tests hold the code to them.
"""

MAX_TOKENS = 160
NAME = "<name>"

_MAX_WORD = 40
_SERVICE_PORTS = frozenset({
    20, 21, 22, 23, 25, 53, 67, 68, 69, 80, 88, 110, 111, 123, 135, 137, 138, 139, 143, 161, 162, 389, 443, 445, 464,
    514, 587, 593, 636, 853, 873, 993, 995, 1080, 1433, 1521, 1900, 2049, 2375, 2376, 3128, 3268, 3269, 3306, 3389,
    4369, 5040, 5353, 5355, 5432, 5672, 5900, 5985, 5986, 6379, 6443, 8000, 8080, 8443, 8888, 9000, 9200, 9389, 11211,
    27017,
})  # fmt: skip
# they stand in recordings because the recorder put them there, and in no intrusion
_LABORATORY = re.compile(
    r"(dummy|emulat|simulat|atomic|redcanary|red.?team|mordor|theshire|\bshire\b|otrf|purplesharp|logster|apt-?sim)"
)
# accounts that every machine has; as plain words they mean programs, folders or services as often
_KEPT_NAMES = frozenset({
    "root", "system", "administrator", "administrators", "admin", "user", "users", "guest", "public", "default",
    "localhost", "local", "network", "service", "nt", "authority", "window", "windows", "manager", "font", "driver",
    "host", "git", "www-data", "nobody", "daemon", "backup", "mail", "mysql", "postgres", "redis", "nginx", "apache",
    "sshd", "sudo", "bash", "python", "unknown", "workgroup", "builtin", "com", "net", "org", "none", "null",
    "anonymous", "logon", "home", "tmp", "var", "usr", "etc", "bin", "opt", "srv", "lib", "the", "exe",
})  # fmt: skip
_SYSTEM_ACCOUNTS = {"system": "system", "local service": "service", "network service": "service", "root": "system"}
_SERVICE_ACCOUNTS = frozenset({
    "www-data", "nobody", "daemon", "bin", "sys", "sync", "mail", "backup", "list", "sshd", "mysql", "postgres", "redis",
    "nginx", "apache", "git", "messagebus", "systemd-network", "systemd-resolve", "systemd-timesync", "_apt", "syslog",
})  # fmt: skip

_ENCODED = re.compile(r"(?<![A-Za-z0-9+/=])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*\d)"
                      r"[A-Za-z0-9+]{12}[A-Za-z0-9+/]{20,}={0,2}")  # fmt: skip
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"/device/harddiskvolume(?:shadowcopy)?\d+"), "c:"),
    (re.compile(r"(?:/\?\?/|//\?/|/\?/)"), ""),
    (re.compile(r"%?systemroot%?(?=/)"), "c:/windows"),
    (re.compile(r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?"), "<guid>"),
    (re.compile(r"\bs-1-5-(?:18|19|20)\b"), "<system-sid>"),
    (re.compile(r"\bs-1-5-32-\d+\b"), "<builtin-sid>"),
    (re.compile(r"\bs-1-\d+(?:-\d+){2,}(?:_classes)?\b"), "<sid>"),
    (re.compile(r"(?<=/users/)(?!public\b|default\b|all users\b|<)[^/\s\"']+"), "<user>"),
    (re.compile(r"(?<=/home/)[^/\s\"':]+"), "<user>"),
    (re.compile(r"(?<=/documents and settings/)(?!all users\b)[^/\"']+"), "<user>"),
    (re.compile(r"(?<![\w/:])//(?![.?/])[^/\s\"']+(?=/)"), "//<host>"),
    (re.compile(r"[\w.+$-]+@[\w.-]+"), "<user>@<host>"),
    (re.compile(r"\b\d{4}[-/]\d\d?[-/]\d\d?(?:[t _]\d\d?[:.]?\d\d(?:[:.]?\d\d(?:\.\d+)?)?z?)?"), "<time>"),
    (re.compile(r"\b\d\d?:\d\d(?::\d\d(?:\.\d+)?)?\b"), "<time>"),
)  # fmt: skip
_URL = re.compile(r"\b(https?|ftp|ldaps?|tcp|ws)://([^\s/\"'<>:]+|\[[^\]]+\])(?::(\d+))?(/[^\s\"'<>|;)]*)?")
_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::(\d{1,5}))?(?![\w.]*\d)|(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])"
)
_CHUNK = re.compile(r"[^\s\"'`,;(){}\[\]|&=+!*^?\u0000]+")
_HEX = re.compile(r"^(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{8,}|(?:\\x[0-9a-f]{2})+)$")
_NUMBER = re.compile(r"^[-+]?[\d.,:%]*\d[\d.,:%]*(?:k|kb|m|mb|g|gb|s|ms|h|d)?$")
_DIGITS = re.compile(r"\d{2,}")
_TURNS = re.compile(r"(?<=[a-z])\d|(?<=\d)[a-z]")
_EXTENSION = re.compile(r"\.([a-z][a-z0-9]{0,6})$")
_SEAM = re.compile(r"([_.\-]+)")
_VOWEL = re.compile(r"[aeiouy]")


@lru_cache(maxsize=65_536)
def tokens_of(kind: str, text: str) -> tuple[str, ...]:
    """Tokens of a node's or edge's text, each ``<field>:<word>``, each once, in the order of the text.

    Args:
        kind: node type, or ``edge`` for an edge's text.
        text: as `WINDOW_GRAPHS` has it.
    """
    parts = _TOKENISERS.get(kind, _plain)(text)
    return tuple(dict.fromkeys(token for token in parts if token))[:MAX_TOKENS]


def names_in(endpoint: str, node_texts: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Names of accounts, domains and hosts that a window tells of; they are no features wherever they stand.

    Args:
        endpoint: name of the machine.
        node_texts: type and text of each node.
    """
    names = set(re.split(r"[.\s]", endpoint.lower()))
    for kind, text in node_texts:
        if kind not in ("process", "user", "file"):
            continue
        low = text.lower()
        if kind != "file":
            for line in low.split("\n"):
                if line.startswith("user="):
                    names.update(re.split(r"[\\@/.]", line[5:].strip().rstrip("$")))
        names.update(found.group(1) for found in _PROFILE.finditer(low))
    return frozenset(name for name in names if len(name) > 1 and name not in _KEPT_NAMES and not name.isdigit())


_PROFILE = re.compile(r"(?:[\\/]users[\\/]|/home/)([^\\/\s\"':<]+)")


def unnamed(tokens: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...]:
    """Replace words that are names by `NAME`."""
    if not names:
        return tokens
    out = []
    for token in tokens:
        field, _, word = token.partition(":")
        if field == "dir":
            out.append(f"dir:{'/'.join(NAME if folder in names else folder for folder in word.split('/'))}")
        else:
            is_name = word in names or word.partition(".")[0] in names
            out.append(f"{field}:{NAME if is_name else _unnamed_parts(word, names)}")
    return tuple(out)


def _unnamed_parts(word: str, names: frozenset[str]) -> str:
    """A word such as ``/user:ada`` without the name in it."""
    if ":" not in word:
        return word
    return ":".join(NAME if part in names else part for part in word.split(":"))


def _process(text: str) -> Iterator[str]:
    lines = text.split("\n")
    path = lines[0] if not lines[0].startswith("user=") else ""
    yield from _path(path, "exe")
    for line in lines[1:] if path else lines:
        if line.startswith("user="):
            yield f"user:{_account(line[5:])}"
        else:
            yield from _words(line, "cmd")


def _file(text: str) -> Iterator[str]:
    return _path(text, "file")


def _script(text: str) -> Iterator[str]:
    return _words(text, "ps")


def _registry(text: str) -> Iterator[str]:
    key, _, data = text.partition("\ndata=")
    yield from _path(key, "reg")
    yield from _words(data[:300], "data")


def _network(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        field, _, value = line.partition("=")
        value = value.strip().lower()
        if field == "address":
            yield f"net:{_address_class(value)}"
        elif field == "port":
            yield f"port:{_port_class(value)}"
        elif field == "protocol":
            yield f"proto:{value[:8]}"
        elif field == "domain":
            yield f"domain:{_domain_class(value)}"


def _user(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if line.startswith("user="):
            yield f"user:{_account(line[5:])}"
        else:
            yield f"logon:{line.partition('=')[2][:4]}"


def _plain(text: str) -> Iterator[str]:
    return _words(text, "call")


def _edge(text: str) -> Iterator[str]:
    """What was done, with which rights; access masks stay, they are few and mean the same everywhere."""
    for word in text.lower().split()[:40]:
        yield f"edge:{word[:_MAX_WORD]}"


def _path(path: str, field: str) -> Iterator[str]:
    parts = [part for part in _cleaned(path).split("/") if part]
    if not parts:
        return
    *folders, name = parts
    folders = [_word(folder) for folder in folders]
    name = _word(name)
    yield f"{field}:{name}"
    if found := _EXTENSION.search(name):
        yield f"ext:{found.group(1)}"
    if folders:
        yield f"dir:{'/'.join(folders[:4])}"
        for folder in folders[-5:]:
            yield f"in:{folder}"


def _words(text: str, field: str) -> Iterator[str]:
    for chunk in _CHUNK.findall(_cleaned(text)):
        if "/" in chunk[1:]:
            parts = [part for part in chunk.split("/") if part]
            for part in parts[-6:]:
                yield f"{field}:{_word(part)}"
            if parts and (found := _EXTENSION.search(parts[-1])):
                yield f"ext:{found.group(1)}"
        else:
            yield f"{field}:{_word(chunk)}"


def _cleaned(text: str) -> str:
    text = _ENCODED.sub(" <encoded> ", text).lower().replace("\\", "/")
    text = _ADDRESS.sub(_address, _URL.sub(_url, text))
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _url(found: re.Match[str]) -> str:
    scheme, host, port, path = found.groups()
    host_class = _address_class(host.strip("[]"))
    host_class = "<domain>" if host_class == "<address>" else host_class
    extension = _EXTENSION.search(path or "")
    shape = f".{extension.group(1)}" if extension else ""
    return f" <{scheme}> {host_class} {'<port>' if port and port not in ('80', '443') else ''} <resource>{shape} "


def _address(found: re.Match[str]) -> str:
    text = found.group(0)
    if text.count(".") == 3:
        return f" {_address_class(text.partition(':')[0])} "
    return f" {_address_class(text)} " if _address_class(text) != "<address>" else text


def _word(word: str) -> str:
    """One word, or the class that it belongs to; an empty string where it tells nothing."""
    if word.startswith("<") and ">" in word:
        return word[:_MAX_WORD]
    if _LABORATORY.search(word):
        return "<lab>"
    bare = word.strip("-/.:_\"'#@%~<>$")
    if not bare:
        return word[:3]
    if _HEX.match(bare):
        return "<hex>"
    if _NUMBER.match(bare):
        return "<number>" if len(bare) > 1 else bare
    if len(bare) >= 8:
        word = "".join("<random>" if _is_random(part) else part for part in _SEAM.split(word))
    if len(word) > _MAX_WORD:
        return "<long>"
    return _DIGITS.sub("#", word)


def _is_random(stem: str) -> bool:
    if len(stem) >= 8 and len(_TURNS.findall(stem)) >= 3:
        return True
    return len(stem) >= 9 and stem.isalpha() and not _VOWEL.search(stem)


def _account(name: str) -> str:
    domain, _, account = name.strip().lower().rpartition("\\")
    if account in _SYSTEM_ACCOUNTS:
        return _SYSTEM_ACCOUNTS[account]
    if account in _SERVICE_ACCOUNTS or domain in ("nt service", "iis apppool", "window manager", "font driver host"):
        return "service"
    return "machine" if account.endswith("$") else "person"


@lru_cache(maxsize=8_192)
def _address_class(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.removeprefix("::ffff:").partition("%")[0])
    except ValueError:
        return "<address>"
    for is_so, name in (
        (address.is_unspecified, "any"), (address.is_loopback, "loopback"), (address.is_link_local, "link-local"),
        (address.is_multicast, "multicast"), (str(address) == "255.255.255.255", "broadcast"),
        (address.is_private, "private"),
    ):  # fmt: skip
        if is_so:
            return f"<{name}>"
    return "<public>"


def _port_class(text: str) -> str:
    if not text.isdigit():
        return "none"
    port = int(text)
    if port in _SERVICE_PORTS:
        return str(port)
    return "low" if port < 1024 else "registered" if port < 32_768 else "dynamic"


def _domain_class(name: str) -> str:
    labels = name.rstrip(".").split(".")
    if name.endswith(".arpa"):
        return "reverse"
    if len(labels) == 1:
        return "one-label"
    if labels[-1] in ("local", "lan", "internal", "corp", "home", "localdomain"):
        return "internal"
    return "random" if any(_is_random(label) or len(label) > 24 for label in labels[:-1]) else "public"


_TOKENISERS = {
    "process": _process, "file": _file, "script": _script, "network": _network, "registry": _registry, "user": _user,
    "syscall": _plain, "edge": _edge,
}  # fmt: skip
