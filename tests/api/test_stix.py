"""An alert as a STIX 2.1 bundle, held to what the standard asks of each kind of object (sections 2.9, 3, 4, 5, 6)."""

import re
import uuid
from datetime import datetime, timedelta

import pytest

from tests.api.conftest import NOON

STIX = f"/alerts/{1:064x}/stix"
MEDIA_TYPE = "application/stix+json;version=2.1"
ID = re.compile(r"([a-z0-9-]+)--([0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})")
NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")

# required members, beside type, spec_version and id
OBSERVABLES = {
    "process": set(), "file": {"name"}, "directory": {"path"}, "user-account": set(), "ipv4-addr": {"value"},
    "ipv6-addr": {"value"}, "domain-name": {"value"}, "network-traffic": {"protocols"},
}  # fmt: skip
SAID = {
    "identity": {"name"}, "grouping": {"context", "object_refs"}, "note": {"content", "object_refs"},
    "observed-data": {"first_observed", "last_observed", "number_observed", "object_refs"},
    "attack-pattern": {"name"}, "sighting": {"sighting_of_ref"},
    "relationship": {"relationship_type", "source_ref", "target_ref"},
}  # fmt: skip
REFERS_TO = {
    "parent_ref": {"process"}, "image_ref": {"file"}, "creator_user_ref": {"user-account"},
    "opened_connection_refs": {"network-traffic"}, "parent_directory_ref": {"directory"},
    "src_ref": {"ipv4-addr", "ipv6-addr", "domain-name"}, "dst_ref": {"ipv4-addr", "ipv6-addr", "domain-name"},
    "created_by_ref": {"identity"}, "where_sighted_refs": {"identity"}, "observed_data_refs": {"observed-data"},
    "sighting_of_ref": {"attack-pattern"}, "source_ref": {"attack-pattern"}, "target_ref": {"identity"},
    "object_refs": {*OBSERVABLES, *SAID},
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def assert_is_stix(bundle):
    assert set(bundle) == {"type", "id", "objects"}
    assert ID.fullmatch(bundle["id"])[1] == bundle["type"] == "bundle"
    ids = [one["id"] for one in bundle["objects"]]
    assert len(set(ids)) == len(ids)
    for one in bundle["objects"]:
        kind = ID.fullmatch(one["id"])[1]
        assert kind == one["type"]
        assert one["spec_version"] == "2.1"
        common = {"type", "spec_version", "id"}
        if kind in SAID:
            assert one["created"] <= one["modified"]
            common |= {"created", "modified"}
        assert set(one) >= common | (SAID | OBSERVABLES)[kind]
        assert len(one) > len(common), "an object says something"
        for name, value in one.items():
            assert value not in (None, [], {}), (kind, name)
            if name.endswith(("_ref", "_refs")):
                refs = value if isinstance(value, list) else [value]
                assert set(refs) <= set(ids)
                assert {ref.partition("--")[0] for ref in refs} <= REFERS_TO[name]
                assert len(set(refs)) == len(refs)
                assert one["id"] not in refs
            if name in (
                "created",
                "modified",
                "first_observed",
                "last_observed",
                "first_seen",
                "last_seen",
                "created_time",
            ):
                assert TIME.fullmatch(value)
        for earlier, later in (("first_observed", "last_observed"), ("first_seen", "last_seen")):
            assert earlier not in one or one[earlier] <= one[later]
        if kind == "network-traffic":
            assert {"src_ref", "dst_ref"} & set(one)
            assert all(protocol == protocol.lower() for protocol in one["protocols"])
        assert kind == "process" or kind in SAID or uuid.UUID(one["id"].partition("--")[2]).version == 5


def of_kind(bundle, kind):
    return [one for one in bundle["objects"] if one["type"] == kind]


@pytest.fixture
def lake(write, make_alert, make_event):
    named = [{"event_id": name, "weight": 0.9, "summary": "?"} for name in ("c1", "c2")]
    write("alerts", make_alert(
        1, first_seen=NOON, last_seen=NOON + timedelta(minutes=3), contributing_events=named,
        ttp_techniques=["T1059.004", "T9999"], ttp_explanations=["Shell of a web server: nginx"],
    ))  # fmt: skip
    write(
        "events",
        make_event(
            "c1", 1, process_key="p2", process_pid=20, process_path="/bin/sh", command_line="sh -c '<b>\x1b[31m\u202e'",
            user="www-data", parent_key="p1", parent_pid=10, parent_path="/usr/sbin/nginx", parent_command_line="nginx",
            file_hash=f"SHA1={'AB' * 20},MD5={'cd' * 16},IMPHASH=00,SHA256=12",
        ),
        make_event(
            "c2", 2, category="network", action="connection_opened", process_key="p2", process_pid=20, src_ip="10.0.0.5",
            src_port=40_000, dst_ip="198.51.100.3", dst_port=443, protocol="TCP", dst_domain="c2.example",
        ),
        make_event("e3", 3, category="network", action="connection_opened", process_key="p2", dst_ip="2001:DB8::1"),
        make_event("e4", 4, category="file", action="file_written", process_key="p2", file_path="C:\\tmp\\x.dll"),
        make_event("e5", 5, category="process", action="process_accessed", process_key="p2", target_path="/bin/victim"),
        make_event("e6", 6, category="other", action="x", dst_ip="not an address", dst_port=-1, process_key="p3"),
    )  # fmt: skip


@pytest.fixture
def bundle(api, lake):
    response = api.get(STIX)
    assert response.status_code == 200
    assert response.headers["content-type"] == MEDIA_TYPE
    return response.json()


def test_bundle_keeps_to_the_standard(bundle):
    assert_is_stix(bundle)
    kinds = {one["type"] for one in bundle["objects"]}
    assert kinds == {*SAID, *OBSERVABLES}


def test_processes_have_parents_images_users_and_connections(bundle):
    by_id = {one["id"]: one for one in bundle["objects"]}
    (shell,) = [one for one in of_kind(bundle, "process") if one.get("pid") == 20]
    assert shell["command_line"] == "sh -c '<b>\x1b[31m\u202e'"
    assert shell["created_time"] == "2026-03-01T12:00:01.000Z"
    parent = by_id[shell["parent_ref"]]
    assert (parent["pid"], parent["command_line"], by_id[parent["image_ref"]]["name"]) == (10, "nginx", "nginx")
    image = by_id[shell["image_ref"]]
    assert (image["name"], by_id[image["parent_directory_ref"]]["path"]) == ("sh", "/bin")
    assert image["hashes"] == {"MD5": "cd" * 16, "SHA-1": "ab" * 20}, "those that are whole and that STIX names"
    assert by_id[shell["creator_user_ref"]]["account_login"] == "www-data"
    flows = [by_id[ref] for ref in shell["opened_connection_refs"]]
    assert [(flow.get("dst_port"), flow["protocols"], by_id[flow["dst_ref"]]["value"]) for flow in flows] == [
        (443, ["ipv4", "tcp"], "198.51.100.3"), (None, ["ipv6"], "2001:db8::1"),
    ]  # fmt: skip
    assert by_id[flows[0]["src_ref"]]["value"] == "10.0.0.5"
    written = next(one for one in of_kind(bundle, "file") if one["name"] == "x.dll")
    assert by_id[written["parent_directory_ref"]]["path"] == "C:\\tmp"


def test_techniques_are_sighted_on_the_endpoint(bundle):
    shell, unknown = of_kind(bundle, "attack-pattern")
    assert shell["external_references"] == [
        {
            "source_name": "mitre-attack",
            "external_id": "T1059.004",
            "url": "https://attack.mitre.org/techniques/T1059/004",
        }
    ]
    assert shell["kill_chain_phases"] == [{"kill_chain_name": "mitre-attack", "phase_name": "execution"}]
    assert (unknown["name"], "kill_chain_phases" in unknown) == ("T9999", False)
    (seen,) = of_kind(bundle, "observed-data")
    for sighting, pattern in zip(of_kind(bundle, "sighting"), (shell, unknown), strict=True):
        assert sighting["sighting_of_ref"] == pattern["id"]
        assert sighting["observed_data_refs"] == [seen["id"]]
    assert seen["number_observed"] == 6
    (note,) = of_kind(bundle, "note")
    assert note["content"] == "Shell of a web server: nginx"


def test_observables_are_named_by_what_identifies_them(bundle):
    """The example of the standard: two producers give one address one id."""
    address = next(one for one in of_kind(bundle, "ipv4-addr") if one["value"] == "198.51.100.3")
    assert address["id"] == "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"
    image = next(one for one in of_kind(bundle, "file") if one["name"] == "sh" and "hashes" in one)
    identifying = (
        f'{{"hashes":{{"MD5":"{"cd" * 16}"}},"name":"sh","parent_directory_ref":"{image["parent_directory_ref"]}"}}'
    )
    assert image["id"] == f"file--{uuid.uuid5(NAMESPACE, identifying)}"


def test_the_same_alert_gives_the_same_bundle_and_another_shares_its_observables(api, bundle, write, make_alert):
    assert api.get(STIX).json() == bundle
    write("alerts", make_alert(2, first_seen=NOON, last_seen=NOON + timedelta(minutes=3)))
    other = api.ok(f"/alerts/{2:064x}/stix")
    assert_is_stix(other)
    shared = {one["id"] for one in other["objects"]} & {one["id"] for one in bundle["objects"]}
    assert {ref.partition("--")[0] for ref in shared} == {*OBSERVABLES, "identity"} - {"process"}


def test_bundle_is_bounded_and_begins_with_what_contributed(api, lake):
    bundle = api.ok(STIX, max_events=2)
    assert_is_stix(bundle)
    assert of_kind(bundle, "observed-data")[0]["number_observed"] == 2
    assert {one["name"] for one in of_kind(bundle, "file")} == {"sh", "nginx"}
    for wrong in (0, 501):
        assert api.get(STIX, params={"max_events": wrong}).status_code == 422


def test_alert_whose_events_are_gone_is_a_bundle_all_the_same(api, write, make_alert):
    write("alerts", make_alert(1, ttp_techniques=["T1059"], ttp_explanations=["x"]))
    bundle = api.ok(STIX)
    assert_is_stix(bundle)
    assert {one["type"] for one in bundle["objects"]} == {*SAID} - {"observed-data"}


def test_unknown_alert_is_a_problem(api):
    response = api.get("/alerts/nope/stix")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


def test_times_are_of_the_alert(bundle):
    (seen,) = of_kind(bundle, "observed-data")
    assert datetime.fromisoformat(seen["first_observed"]) == NOON
    assert datetime.fromisoformat(seen["last_observed"]) == NOON + timedelta(minutes=3)
