"""An alert as a STIX 2.1 bundle, for threat-intelligence platforms: what was observed, on which endpoint, of which techniques.

The same alert with the same events gives the same bundle. Ids of observables are made of what identifies them, as STIX says
(section 2.9), so that two bundles that hold one address hold one object; where STIX has none or asks for random ones, ids are
made of the alert, in the form of a UUID of version 4. Nothing is cleaned: JSON escapes control characters.

Source: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html
"""

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from pipelines.ttp.attack import technique_named

__all__ = ["MEDIA_TYPE", "bundle_of"]

MEDIA_TYPE = "application/stix+json;version=2.1"
"""What a bundle is served as (STIX 2.1, section 12)."""

# the specification's own namespace for observables that are named by their values
_OBSERVABLES = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
_LOGSTER_SINCE = "2026-01-01T00:00:00.000Z"
_HASHES = {"MD5": ("MD5", 32), "SHA1": ("SHA-1", 40), "SHA256": ("SHA-256", 64)}
_PORTS = range(65_536)

Object = dict[str, Any]
Row = Mapping[str, Any]


def bundle_of(alert: Row, events: Iterable[Row]) -> Object:
    """Make the bundle of an alert.

    Args:
        alert: its row in ``alerts``.
        events: rows of ``events``, in any order; how many there are bounds the bundle.

    Returns:
        Identities of Logster and of the endpoint, a grouping of all, and where there is something to tell: the observables with
        the observed data that hold them, an attack pattern and a sighting a technique, and a note of the rules' explanations.
    """
    found = _Bundle(alert)
    shown = sorted(events, key=lambda event: (event["ts"], event["event_id"]))
    observables = _Observables(alert["alert_id"])
    for event in shown:
        observables.add(event)
    seen = found.observed(observables.objects, len(shown)) if observables.objects else None
    for technique in alert["ttp_techniques"]:
        found.technique(technique, seen)
    if alert["ttp_explanations"]:
        found.note("\n".join(alert["ttp_explanations"]), seen)
    return found.whole()


class _Bundle:
    """Objects that say something, in the order in which they were made."""

    def __init__(self, alert: Row) -> None:
        self._alert = alert
        self._alert_id: str = alert["alert_id"]
        self._first, self._last = _time(alert["first_seen"]), _time(alert["last_seen"])
        self._objects: dict[str, Object] = {}
        self._logster = self._add(
            "identity",
            "Logster",
            created=_LOGSTER_SINCE,
            modified=_LOGSTER_SINCE,
            name="Logster",
            identity_class="system",
        )
        self._endpoint = self._add(
            "identity", f"{alert['tenant']}\n{alert['endpoint']}", created=_LOGSTER_SINCE, modified=_LOGSTER_SINCE,
            created_by_ref=self._logster, name=alert["endpoint"], identity_class="system",
            description=f"an endpoint of {alert['tenant']}, {alert['platform']}",
        )  # fmt: skip

    def observed(self, observables: Mapping[str, Object], n_events: int) -> str:
        """The events' observables as seen in the alert's span."""
        self._objects |= observables
        return self._said(
            "observed-data", "", first_observed=self._first, last_observed=self._last, number_observed=n_events,
            object_refs=list(observables),
        )  # fmt: skip

    def technique(self, technique: str, seen: str | None) -> None:
        """A technique, by ATT&CK's name, sighted on the endpoint."""
        told = technique_named(technique)
        pattern: Object = {
            "created": _LOGSTER_SINCE, "modified": _LOGSTER_SINCE, "created_by_ref": self._logster, "name": told.name,
            "external_references": [{
                "source_name": "mitre-attack", "external_id": told.id,
                "url": f"https://attack.mitre.org/techniques/{told.id.replace('.', '/')}",
            }],
        }  # fmt: skip
        if told.tactics:
            pattern["kill_chain_phases"] = [
                {"kill_chain_name": "mitre-attack", "phase_name": tactic} for tactic in told.tactics
            ]
        ref = self._add("attack-pattern", told.id, **pattern)
        sighting: Object = {
            "sighting_of_ref": ref, "where_sighted_refs": [self._endpoint], "first_seen": self._first, "last_seen": self._last,
        }  # fmt: skip
        if seen is not None:
            sighting["observed_data_refs"] = [seen]
        self._said("sighting", told.id, **sighting)
        self._said(
            "relationship",
            f"targets\n{told.id}",
            relationship_type="targets",
            source_ref=ref,
            target_ref=self._endpoint,
        )

    def note(self, content: str, seen: str | None) -> None:
        """What the rules say."""
        self._said("note", "", abstract="What Sigma rules found", content=content, object_refs=[seen or self._endpoint])

    def whole(self) -> Object:
        """The bundle, with a grouping of all that is in it."""
        alert = self._alert
        self._said(
            "grouping", "", name=f"{alert['severity']} alert on {alert['endpoint']}", context="suspicious-activity",
            confidence=round(100 * min(max(alert["attack_prob"], 0.0), 1.0)), labels=[alert["severity"].lower()],
            description=f"{alert['window_count']} windows by {alert['model_name']} {alert['model_version']}",
            external_references=[{"source_name": "logster", "external_id": self._alert_id}],
            object_refs=[ref for ref in self._objects if ref != self._logster],
        )  # fmt: skip
        return {"type": "bundle", "id": _own_id("bundle", self._alert_id), "objects": list(self._objects.values())}

    def _said(self, kind: str, name: str, /, **members: Any) -> str:  # noqa: ANN401 - any JSON
        """An object that Logster made with this alert."""
        created, modified = sorted([self._alert["created_at"], self._alert["updated_at"]])
        return self._add(
            kind, f"{self._alert_id}\n{name}", created=_time(created), modified=_time(modified), created_by_ref=self._logster,
            **members,
        )  # fmt: skip

    def _add(self, kind: str, name: str, /, **members: Any) -> str:  # noqa: ANN401 - any JSON
        ref = _own_id(kind, name)
        self._objects[ref] = {"type": kind, "spec_version": "2.1", "id": ref, **members}
        return ref


class _Observables:
    """What events name, each once."""

    def __init__(self, alert_id: str) -> None:
        self._alert_id = alert_id
        self.objects: dict[str, Object] = {}

    def add(self, event: Row) -> None:
        """All that an event names."""
        is_start = event["action"] == "process_created"
        hashes = _hashes(event["file_hash"])
        image = self._file(event["process_path"] or event["process_name"], hashes if is_start else {})
        user = self._named("user-account", account_login=event["user"]) if event["user"] else None
        parent = self._process(
            event["parent_key"], event["parent_pid"], event["parent_path"], command_line=event["parent_command_line"],
            image_ref=self._file(event["parent_path"] or event["parent_name"], {}),
        )  # fmt: skip
        traffic = self._traffic(event)
        process = self._process(
            event["process_key"], event["process_pid"], event["process_path"], command_line=event["command_line"],
            image_ref=image, creator_user_ref=user, parent_ref=parent, created_time=_time(event["ts"]) if is_start else None,
        )  # fmt: skip
        if process is not None and traffic is not None:
            opened = self.objects[process].setdefault("opened_connection_refs", [])
            if traffic not in opened:
                opened.append(traffic)
        self._process(
            event["target_key"], event["target_pid"], event["target_path"],
            image_ref=self._file(event["target_path"] or event["target_name"], {}),
        )  # fmt: skip
        self._file(event["file_path"], {} if is_start else hashes)
        if event["dst_domain"]:
            self._named("domain-name", value=event["dst_domain"])

    def _process(self, key: str | None, pid: int | None, path: str | None, **members: Any) -> str | None:  # noqa: ANN401
        """A process, with what all events say of it; the first word counts."""
        name = key or (f"pid:{pid}" if pid is not None else f"path:{path.lower()}" if path else None)
        told = {member: value for member, value in {"pid": pid, **members}.items() if value is not None}
        if name is None:
            return None
        # STIX has processes named at random: one is another's twin by pid and command line alone
        ref = _own_id("process", f"{self._alert_id}\n{name}")
        if not told and ref not in self.objects:  # STIX has no process of which nothing is said
            return None
        if told.get("parent_ref") == ref:
            del told["parent_ref"]
        self.objects[ref] = {"type": "process", "spec_version": "2.1", "id": ref, **told, **self.objects.get(ref, {})}
        return ref

    def _file(self, path: str | None, hashes: Mapping[str, str]) -> str | None:
        folder, _, name = (path or "").replace("\\", "/").rpartition("/")
        if not name:
            return None
        given: Object = {"name": name} | ({"hashes": dict(hashes)} if hashes else {})
        if folder:
            assert path is not None
            given["parent_directory_ref"] = self._named("directory", path=path[: len(folder)])
        return self._named("file", **given)

    def _traffic(self, event: Row) -> str | None:
        source, target = self._address(event["src_ip"]), self._address(event["dst_ip"])
        if target is None and event["dst_ip"] is None and event["dst_domain"] and event["category"] == "network":
            target = self._named("domain-name", value=event["dst_domain"])
        if source is None and target is None:
            return None
        known = next(ref for ref in (target, source) if ref is not None)
        below = "ipv6" if known.startswith("ipv6") else "ipv4"
        ends = {"src_ref": source, "dst_ref": target}
        ports = {name: event[name] for name in ("src_port", "dst_port") if event[name] in _PORTS}
        protocols = [below, event["protocol"].lower()] if event["protocol"] else [below]
        return self._named(
            "network-traffic",
            **{end: ref for end, ref in ends.items() if ref is not None},
            **ports,
            protocols=protocols,
        )

    def _address(self, text: str | None) -> str | None:
        try:
            address = ip_address((text or "").partition("%")[0])
        except ValueError:
            return None
        return self._named(f"ipv{address.version}-addr", value=str(address))

    def _named(self, kind: str, /, **members: Any) -> str:  # noqa: ANN401 - any JSON
        """An observable whose members identify it, all of them; of several hashes the first that STIX lists does."""
        identifying = dict(members)
        if "hashes" in members:
            first = next(name for name, _ in _HASHES.values() if name in members["hashes"])
            identifying["hashes"] = {first: members["hashes"][first]}
        ref = f"{kind}--{uuid.uuid5(_OBSERVABLES, _canonical(identifying))}"
        self.objects.setdefault(ref, {"type": kind, "spec_version": "2.1", "id": ref, **members})
        return ref


def _own_id(kind: str, name: str) -> str:
    digest = sha256(f"logster\n{kind}\n{name}".encode()).digest()
    return f"{kind}--{uuid.UUID(bytes=digest[:16], version=4)}"


def _hashes(text: str | None) -> dict[str, str]:
    """Hashes as records give them (``SHA1=…,MD5=…``) by STIX's names; others than these are left out."""
    given = {kind.upper(): value.lower() for kind, value in re.findall(r"(\w+)=([0-9A-Fa-f]+)", text or "")}
    return {
        name: given[kind] for kind, (name, length) in _HASHES.items() if kind in given and len(given[kind]) == length
    }


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _canonical(value: Object) -> str:
    """JSON by RFC 8785, which for texts, whole numbers, and names of ASCII is this."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
