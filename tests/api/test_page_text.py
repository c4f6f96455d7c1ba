"""What the alert's page makes of text before it is shown, run as the browser runs it: the page's own modules, in Node."""

import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

import api.alert_page
from tests.chromium import node

pytestmark = pytest.mark.fast

FOLDER = Path(api.alert_page.__file__).with_name("pages")
_RUN = """
import { readFileSync } from "node:fs";
const { module, given } = JSON.parse(readFileSync(0, "utf8"));
const found = await import(module);
process.stdout.write(JSON.stringify((%s)(found, given)));
"""


def evaluate(module: str, function: str, given: Any) -> Any:
    """What a function of JavaScript makes of a module and of what it is given."""
    done = subprocess.run(
        [node(), "--input-type=module", "-e", _RUN % function],
        input=json.dumps({"module": (FOLDER / module).as_uri(), "given": given}), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run(module: str, name: str, *calls: list[Any]) -> list[Any]:
    """What a function of a module gives, called once with each list of arguments."""
    found: list[Any] = evaluate(module, f"(found, given) => given.map((one) => found.{name}(...one))", list(calls))
    return found


@pytest.mark.parametrize(
    ("text", "keep", "expected"),
    [
        ("", "", []),
        ("sh -c 'id'", "", [("sh -c 'id'", False)]),
        ("<b>&amp;</b>", "", [("<b>&amp;</b>", False)]),  # no markup of ours either: it is put into a text node
        ("a\x1b[2Jb", "", [("a", False), ("\\u001b", True), ("[2Jb", False)]),
        ("invoice\u202efdp.exe", "", [("invoice", False), ("\\u202e", True), ("fdp.exe", False)]),
        ("a\r\nb\tc\0", "", [("a", False), ("\\r\\n", True), ("b", False), ("\\t", True), ("c", False), ("\\0", True)]),
        ("a\nb\tc\x07", "\n\t", [("a\nb\tc", False), ("\\u0007", True)]),
        ("\u200b\U000e0041", "", [("\\u200b\\u{e0041}", True)]),
        ("\ud83d", "", [("\\ud83d", True)]),  # half a character
        ("\U0001f600é 漢", "", [("\U0001f600é 漢", False)]),
        ("a" + "\u0301" * 5, "", [("a" + "\u0301" * 3, False), ("\\u0301\\u0301", True)]),  # letters piled up
    ],
)
def test_what_cannot_be_seen_is_written_out(text, keep, expected):
    [found] = run("text.mjs", "pieces", [text, keep])
    assert [(piece["text"], piece["isEscape"]) for piece in found] == expected


def test_every_character_is_shown_or_written_out_as_its_category_says():
    """Of those that this Python knows: the browser may know newer ones."""
    known = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Co")]
    drawn_as_nothing = {*"\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"} | {
        chr(code) for code in [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]
    }
    unseen = {one for one in known if one in drawn_as_nothing or (unicodedata.category(one)[0] in "CZ" and one != " ")}
    found = run("text.mjs", "pieces", *[[one] for one in known])
    assert {one for one, pieces in zip(known, found, strict=True) if pieces[0]["isEscape"]} == unseen
    assert all(pieces[0]["text"] == one for one, pieces in zip(known, found, strict=True) if one not in unseen)
    written = ["".join(piece["text"] for piece in pieces) for pieces in found]
    assert len(set(written)) == len(known)  # no two look alike by being written out


def test_long_text_is_cut_between_characters():
    assert run("text.mjs", "start", ["abc", 3], ["abcd", 3], ["ab\U0001f600", 3]) == ["abc", "abc", "ab"]


def test_probabilities_are_never_rounded_up_to_certainty():
    assert run("text.mjs", "percent", [0.99999], [0.95], [0.7], [1], [0], [0.29]) == [
        "99.9 %", "95.0 %", "70.0 %", "100.0 %", "0.0 %", "29.0 %"
    ]  # fmt: skip


SENTENCE = "Shell to network: sh process created `sh -i`, 2026-03-01 12:00:00 UTC"


@pytest.mark.parametrize(
    ("said", "end", "expected"),
    [
        (
            SENTENCE, " (high, T1059.004 Unix Shell, T1071 Application Layer Protocol; rule 11-aa, event e1 and 2 more).",
            {"level": "high", "techniques": [{"id": "T1059.004", "name": "Unix Shell"},
             {"id": "T1071", "name": "Application Layer Protocol"}], "rule": "11-aa", "eventId": "e1", "nMore": 2},
        ),
        (
            SENTENCE, " (low, names no technique; rule 11-aa, event e1).",
            {"level": "low", "techniques": [], "rule": "11-aa", "eventId": "e1", "nMore": 0},
        ),
        (  # an intruder's own text has no say in what follows it
            "x `(critical, T1003 Dumping; rule fake, event e9).`, 2026-03-01 12:00:00 UTC",
            " (low, T1059 Interpreter; rule 11-aa, event e1).",
            {"level": "low", "techniques": [{"id": "T1059", "name": "Interpreter"}], "rule": "11-aa", "eventId": "e1", "nMore": 0},
        ),
    ],
)  # fmt: skip
def test_sentence_on_a_rule_is_taken_apart(said, end, expected):
    assert run("text.mjs", "explained", [said + end]) == [{"sentence": f"{said}.", **expected}]


def test_sentence_of_another_form_is_left_as_it_is():
    assert run("text.mjs", "explained", ["a shell ran"], [""]) == [None, None]


def test_sentence_quotes_an_event_between_its_first_and_its_last_mark():
    assert run("text.mjs", "quoted", ["sh ran `a `b` c`, at noon."], ["no quote"], ["half a ` quote"]) == [
        {"before": "sh ran ", "quote": "a `b` c", "after": ", at noon."},
        {"before": "no quote", "quote": None, "after": ""},
        {"before": "half a ` quote", "quote": None, "after": ""},
    ]


def test_only_ids_of_techniques_become_addresses():
    ids = [["T1059"], ["T1059.004"], ["T1059/../x"], ["javascript:alert(1)"], ["T10590"], [" T1059"]]
    assert run("text.mjs", "attackAddress", *ids) == [
        "https://attack.mitre.org/techniques/T1059/", "https://attack.mitre.org/techniques/T1059/004/", None, None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"category": "process", "action": "process_created", "command_line": "sh", "target_path": "/x"}, "sh"),
        ({"category": "process", "action": "process_accessed", "command_line": "sh", "target_path": "/x"}, "/x"),
        ({"category": "network", "dst_ip": "10.0.0.1", "dst_port": 443}, "10.0.0.1:443"),
        ({"category": "network", "dst_ip": "10.0.0.1", "dst_domain": "a.example", "dst_port": None}, "a.example"),
        ({"category": "registry", "registry_key": "HKLM\\x", "registry_value": "1"}, "HKLM\\x = 1"),
        ({"category": "script", "script_text": "iex"}, "iex"),
        ({"category": "auth", "privilege": "SeDebug"}, "SeDebug"),
        ({"category": "network", "command_line": "curl"}, "curl"),
        ({"category": "other"}, ""),
    ],
)
def test_event_is_about_what_the_pipeline_says_it_is_about(event, expected):
    assert run("text.mjs", "subjectOf", [event]) == [expected]


def test_tree_counts_what_is_below_each_process_however_deep_it_goes():
    chain = [
        {"id": str(n), "parent_id": str(n - 1) if n else None, "is_contributing": n in (3, 4999)} for n in range(5000)
    ]
    n_roots, below = evaluate(
        "tree.mjs",
        """(found, given) => {
            const roots = found.linked(given), below = [];
            for (let node = roots[0]; node; node = node.children[0]) below.push([node.nBelow, node.nContributingBelow]);
            return [roots.length, below];
        }""",
        chain,
    )
    assert n_roots == 1
    assert [below[n] for n in (0, 2, 3, 4998, 4999)] == [[4999, 2], [4997, 2], [4996, 1], [1, 1], [0, 0]]


def test_ticks_of_the_chart_lie_on_round_minutes_and_are_not_crowded():
    noon = 1_772_366_400_000
    given = [[noon + 17_000, noon + minutes * 60_000, width] for minutes in (3, 66, 3000) for width in (320, 900)]
    for (_, _, width), found in zip(given, run("chart.mjs", "scales", *given), strict=True):
        assert 1 <= len(found["ticks"]) <= width / 60
        assert all(tick % 60_000 == 0 for tick in found["ticks"])
