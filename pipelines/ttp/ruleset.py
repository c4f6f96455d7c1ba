"""Reading Sigma rules from folders and compiling them together; what cannot be used is listed with its reason.

Our own starter rules stand in ``rules`` beside this module, and must all compile: one that does not stops the start. A
rule of a folder that somebody names is their affair: it is left out and listed, and the others go on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError, SigmaRuleLocation
from sigma.rule import SigmaLogSource, SigmaRule

from pipelines.errors import RuleError
from pipelines.settings import Settings
from pipelines.ttp.attack import tactics, tactics_of
from pipelines.ttp.backend import SPARK, Dialect, EventsBackend, Inputs
from pipelines.ttp.logsources import LogSource, log_source_of

__all__ = ["LEVELS", "STARTER_RULES", "RefusedRule", "Rule", "RuleSet", "load_rules", "rules_in_use"]

STARTER_RULES = Path(__file__).with_name("rules")
"""Folder of our own rules."""

LEVELS = ("critical", "high", "medium", "low", "informational")
"""Sigma's levels, gravest first; a rule without one is the last's."""

_INPUT = re.compile(r"\b_in\d+\b")
_LOG = structlog.get_logger("logster.ttp")
_MAX_CONDITION = 200_000  # characters of SQL; a rule with more would take Spark longer to compile than to run


@dataclass(frozen=True)
class Rule:
    """A Sigma rule that can be matched.

    Attributes:
        rule_id: its own id; of a rule without one its path and title.
        title: what it says it finds.
        level: one of `LEVELS`.
        techniques: ATT&CK ids that it names, sorted.
        tactics: tactics that it names, else those of its techniques; sorted.
        path: file that it was read from.
        source: events that it is about.
        condition: SQL over the inputs of its `RuleSet`; null counts as false.
    """

    rule_id: str
    title: str
    level: str
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    path: Path
    source: LogSource
    condition: str


@dataclass(frozen=True)
class RefusedRule:
    """A rule that is left out, and why."""

    path: Path
    title: str
    reason: str


@dataclass(frozen=True)
class RuleSet:
    """Rules compiled together, in an order that files' names and the file system do not change.

    Attributes:
        rules: sorted by id.
        refused: rules that are left out.
        inputs: SQL over ``events`` of each short name that conditions use.
        dialect: whose SQL that is.
    """

    rules: tuple[Rule, ...]
    refused: tuple[RefusedRule, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect = SPARK

    def by_source(self) -> dict[LogSource, list[int]]:
        """Positions of the rules about the same events."""
        found: dict[LogSource, list[int]] = {}
        for number, rule in enumerate(self.rules):
            found.setdefault(rule.source, []).append(number)
        return found

    def inputs_of(self, numbers: Iterable[int]) -> dict[str, str]:
        """Those inputs that the rules at these positions use."""
        used = {name for number in numbers for name in _INPUT.findall(self.rules[number].condition)}
        return {name: sql for name, sql in self.inputs.items() if name in used}


def load_rules(folders: Sequence[Path] = (), *, with_starter: bool = True, dialect: Dialect = SPARK) -> RuleSet:
    """Read and compile all rules (``*.yml``, ``*.yaml``) below folders; a single file counts as one.

    Args:
        folders: where others' rules are.
        with_starter: whether our own come first; a rule whose id came before is left out.
        dialect: SQL to compile to.

    Raises:
        RuleError: a folder is not there, or one of our own rules cannot be used.
    """
    inputs = Inputs()
    backend = EventsBackend(dialect, inputs)
    found: dict[str, Rule] = {}
    refused: list[RefusedRule] = []
    for folder in ([STARTER_RULES] if with_starter else []) + list(folders):
        for path in _files(folder):
            for one in _rules_of(path, backend):
                if isinstance(one, Rule) and one.rule_id in found:
                    one = RefusedRule(path, one.title, f"its id is that of a rule in {found[one.rule_id].path}")
                if isinstance(one, Rule):
                    found[one.rule_id] = one
                elif folder == STARTER_RULES:
                    raise RuleError(f"starter rule {one.title!r}: {one.reason}", path=path)
                else:
                    refused.append(one)
    rules = tuple(found[key] for key in sorted(found))
    return RuleSet(rules, tuple(refused), {name: sql for sql, name in inputs.by_sql.items()}, dialect)


def rules_in_use(settings: Settings) -> RuleSet | None:
    """The rules that settings ask for, read once a process; none where the analyzer is off.

    Raises:
        RuleError: as `load_rules`.
    """
    return _loaded(settings.ttp_rule_folders) if settings.ttp else None


@lru_cache(maxsize=4)
def _loaded(folders: tuple[Path, ...]) -> RuleSet:
    rules = load_rules(folders)
    for one in rules.refused:
        _LOG.warning("rule left out", path=str(one.path), title=one.title, reason=one.reason)
    return rules


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise RuleError("there is no such folder of rules; see LOGSTER_TTP_RULES", path=folder)
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yml", ".yaml") and path.is_file())


def _rules_of(path: Path, backend: EventsBackend) -> Iterator[Rule | RefusedRule]:
    try:
        parsed = SigmaCollection.from_yaml(
            path.read_text(encoding="utf-8"), collect_errors=True, source=SigmaRuleLocation(path)
        )
    except (
        OSError,
        UnicodeDecodeError,
        yaml.YAMLError,
        SigmaError,
        RecursionError,
        TypeError,
        AttributeError,
    ) as error:
        yield RefusedRule(path, path.stem, f"cannot be read: {_one_line(error, path)}")
        return
    for problem in parsed.errors if not parsed.rules else ():
        yield RefusedRule(path, path.stem, _one_line(problem, path))
    for rule in parsed.rules:
        yield _compiled(rule, path, backend)


def _compiled(rule: Any, path: Path, backend: EventsBackend) -> Rule | RefusedRule:  # noqa: ANN401 - pySigma's kinds share no base
    title = str(getattr(rule, "title", None) or path.stem)
    if rule.errors:
        return RefusedRule(path, title, _one_line(rule.errors[0], path))
    if isinstance(rule, SigmaCorrelationRule):
        return RefusedRule(path, title, "a correlation of several events is not matched event by event")
    if not isinstance(rule, SigmaRule):
        return RefusedRule(path, title, "is no detection rule")
    told = rule.logsource
    source = log_source_of(told.product, told.category, told.service)
    if source is None:
        named = "/".join(part for part in (told.product, told.category, told.service) if part)
        return RefusedRule(path, title, f"events hold nothing of the log source {named or '(none)'}")
    rule.logsource = SigmaLogSource(source.category, source.product, source.service)
    try:
        conditions = backend.convert_rule(rule)
    except (SigmaError, NotImplementedError, RecursionError, ValueError, TypeError, KeyError) as error:
        return RefusedRule(path, title, f"cannot be compiled: {_one_line(error, path)}")
    condition = " OR ".join(f"({one})" for one in conditions)
    if not condition or len(condition) > _MAX_CONDITION:
        return RefusedRule(path, title, "has no condition" if not condition else "its condition is too long")
    techniques = tuple(sorted(_techniques(rule)))
    named_tactics = {tag.name.replace("_", "-") for tag in rule.tags if tag.namespace == "attack"} & tactics()
    return Rule(
        rule_id=str(rule.id) if rule.id else f"{path.name}: {title}",
        title=title,
        level=rule.level.name.lower() if rule.level else LEVELS[-1],
        techniques=techniques,
        tactics=tuple(sorted(named_tactics)) or tactics_of(techniques),
        path=path,
        source=source,
        condition=condition,
    )


def _techniques(rule: SigmaRule) -> Iterable[str]:
    for tag in rule.tags:
        number = tag.name.upper()
        if tag.namespace == "attack" and number[:1] == "T" and number[1:5].isdigit():
            yield number


def _one_line(error: BaseException, path: Path) -> str:
    # pySigma says where, and so do we
    return " ".join(str(error).replace(f" in {path}", "").split())[:300] or type(error).__name__
