"""Sigma conditions to SQL over ``events``, for Spark and, with a few words changed, for DuckDB.

A condition never names a column itself: each thing that rules look at (a column, a field of the map, in lower case or as
it is) is an input with a short name, computed once an event however many rules look at it.

Sigma compares without regard to case, takes an absent field for an empty one, and ``not`` is true of it; SQL's ``NOT``
of null is not, so what is negated is made false where it is null. Nothing else needs that: without a negation a null is
as good as false.
"""

# ruff: noqa: D102, ANN401 - methods that pySigma calls: their names say what each converts, their types are its own

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.conversion.base import TextQueryBackend
from sigma.conversion.state import ConversionState
from sigma.exceptions import SigmaValueError
from sigma.processing.conditions import LogsourceCondition
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import FieldMappingTransformation
from sigma.types import (
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaFieldReference,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)

from pipelines.ttp.logsources import LIST, columns_of, log_sources

__all__ = ["DUCKDB", "SPARK", "Dialect", "EventsBackend", "Inputs", "field_mapping"]

_ARGUMENT = re.compile(r"^a(\d{1,2})$")
_WORDS = r"(?:'[^']*'|[^' ])+"  # of a command line as the normaliser writes it
# RE2, which pySigma checks against, takes these for text; Java's expressions do not
_BARE_BRACE = re.compile(r"(?<!\\)\{(?!\d+(?:,\d*)?\})")


@dataclass(frozen=True)
class Dialect:
    """The words in which two kinds of SQL differ.

    Attributes:
        name: for messages.
        quote: a text as a literal.
        startswith: function of two texts.
        endswith: function of two texts.
        matches: function of a text and a regular expression.
        word: SQL of the n-th word (from 0) of a command line.
        values: SQL of all values of the map ``fields`` as one text.
    """

    name: str
    quote: Callable[[str], str]
    startswith: str
    endswith: str
    matches: str
    word: Callable[[int], str]
    values: str


def _spark_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _duckdb_quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


SPARK = Dialect(
    "spark", _spark_quote, "startswith", "endswith", "regexp_like",
    lambda n: f"btrim(get(regexp_extract_all(command_line, {_spark_quote(_WORDS)}, 0), {n}), {_spark_quote(chr(39))})",
    "array_join(map_values(fields), chr(10))",
)  # fmt: skip
DUCKDB = Dialect(
    "duckdb", _duckdb_quote, "starts_with", "ends_with", "regexp_matches",
    lambda n: f"trim(regexp_extract_all(command_line, {_duckdb_quote(_WORDS)})[{n + 1}], {_duckdb_quote(chr(39))})",
    "array_to_string(map_values(fields), chr(10))",
)  # fmt: skip


def field_mapping() -> ProcessingPipeline:
    """The one mapping of Sigma's fields onto ``events``, for every log source and both dialects."""
    items = [
        ProcessingItem(
            FieldMappingTransformation({name: sql for name, sql in columns_of(one).items()}),
            rule_conditions=[LogsourceCondition(category=one.category, product=one.product, service=one.service)],
            identifier=one.name,
        )
        for one in log_sources()
    ]
    return ProcessingPipeline(name="Sigma fields to Logster's events", items=items)


@dataclass
class Inputs:
    """What the conditions of a set of rules look at: SQL of each by its short name."""

    by_sql: dict[str, str] = field(default_factory=dict)

    def name_of(self, sql: str) -> str:
        """Short name of an input, the same for the same SQL."""
        return self.by_sql.setdefault(sql, f"_in{len(self.by_sql)}")


class EventsBackend(TextQueryBackend):
    """Converts the condition of a rule whose fields `field_mapping` has mapped.

    Args:
        dialect: whose SQL.
        inputs: what other rules look at already; grows.
    """

    name: ClassVar[str] = "Logster events"
    formats: ClassVar[dict[str, str]] = {"default": "SQL condition"}
    requires_pipeline: ClassVar[bool] = False
    precedence: ClassVar[tuple[type[ConditionItem], type[ConditionItem], type[ConditionItem]]] = (
        ConditionNOT, ConditionAND, ConditionOR,
    )  # fmt: skip
    group_expression: ClassVar[str] = "({expr})"
    or_token: ClassVar[str] = "OR"
    and_token: ClassVar[str] = "AND"
    not_token: ClassVar[str] = "NOT"
    eq_token: ClassVar[str] = " = "
    convert_or_as_in: ClassVar[bool] = True
    in_expressions_allow_wildcards: ClassVar[bool] = False

    def __init__(self, dialect: Dialect, inputs: Inputs) -> None:
        super().__init__(field_mapping())
        self._dialect, self._inputs = dialect, inputs

    def convert_condition_not(self, cond: ConditionNOT, state: ConversionState) -> Any:
        return f"NOT coalesce({self.convert_condition(cond.args[0], state)}, false)"

    def convert_condition_as_in_expression(self, cond: ConditionOR | ConditionAND, state: ConversionState) -> Any:
        if isinstance(cond, ConditionAND):
            return self.convert_condition_and(cond, state)
        tests: list[Any] = list(cond.args)
        name, values = tests[0].field, [test.value for test in tests]
        if _is_list(name) or not all(type(one) in (SigmaString, SigmaNumber) and str(one) for one in values):
            return self.convert_condition_or(cond, state)
        listed = ", ".join(self._dialect.quote(_plain_text(one)) for one in values)
        return f"{self._lower(name)} IN ({listed})"

    def convert_condition_field_eq_val_str(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        return self._matched(cond.field, _value(cond), is_cased=False)

    def convert_condition_field_eq_val_str_case_sensitive(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        return self._matched(cond.field, _value(cond), is_cased=True)

    def convert_condition_field_eq_val_num(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        return self._matched(cond.field, SigmaString(str(cond.value)), is_cased=False)

    def convert_condition_field_eq_val_bool(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        return self._matched(cond.field, SigmaString(str(cond.value).lower()), is_cased=False)

    def convert_condition_field_eq_val_re(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        return f"{self._dialect.matches}({self._as_is(cond.field)}, {self._pattern(_value(cond))})"

    def convert_condition_field_eq_val_cidr(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> Any:
        value: SigmaCIDRExpression = _value(cond)
        patterns: list[Any] = [
            ConditionFieldEqualsValueExpression(cond.field, SigmaString(one)) for one in value.expand()
        ]
        return self.convert_condition_or(ConditionOR(patterns), state) if len(patterns) > 1 else self.convert_condition(
            patterns[0], state
        )  # fmt: skip

    def convert_condition_field_compare_op_val(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        value: SigmaCompareExpression = _value(cond)
        return f"try_cast({self._as_is(cond.field)} AS DOUBLE) {_OPERATORS[value.op.name]} {value.number}"

    def convert_condition_field_eq_field(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        value: SigmaFieldReference = _value(cond)
        ours, theirs = self._lower(cond.field), self._lower(value.field)
        if value.starts_with and value.ends_with:
            return f"contains({ours}, {theirs})"
        if value.starts_with:
            return f"{self._dialect.startswith}({ours}, {theirs})"
        return f"{self._dialect.endswith}({ours}, {theirs})" if value.ends_with else f"{ours} = {theirs}"

    def convert_condition_field_eq_val_null(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        return f"{self._lower(cond.field)} IS NULL"

    def convert_condition_field_exists(self, cond: ConditionFieldEqualsValueExpression, state: ConversionState) -> str:
        return f"{self._lower(cond.field)} IS NOT NULL"

    def convert_condition_field_not_exists(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        return f"{self._lower(cond.field)} IS NULL"

    def convert_condition_val_str(self, cond: ConditionValueExpression, state: ConversionState) -> str:
        return self._tested(self._inputs.name_of(f"lower({self._everything})"), _anywhere(_value(cond)), is_cased=False)

    def convert_condition_val_num(self, cond: ConditionValueExpression, state: ConversionState) -> str:
        return self._tested(
            self._inputs.name_of(f"lower({self._everything})"), SigmaString(f"*{cond.value}*"), is_cased=False
        )

    def convert_condition_val_re(self, cond: ConditionValueExpression, state: ConversionState) -> str:
        return f"{self._dialect.matches}({self._inputs.name_of(self._everything)}, {self._pattern(_value(cond))})"

    @property
    def _everything(self) -> str:
        columns = "command_line, file_path, script_text, registry_key, registry_value, user"
        return f"concat_ws(chr(10), {columns}, {self._dialect.values})"

    def _sql(self, name: str) -> str:
        # only what the mapping says is SQL: a rule may call a field anything
        if name in _mapped_columns():
            return name.removeprefix(LIST)
        in_map = f"fields[{self._dialect.quote(name)}]"
        # auditd's EXECVE record has the words of the command, which the normaliser joins
        word = _ARGUMENT.match(name)
        return f"coalesce({self._dialect.word(int(word[1]))}, {in_map})" if word else in_map

    def _lower(self, name: str) -> str:
        return self._inputs.name_of(f"lower({self._sql(name)})")

    def _as_is(self, name: str) -> str:
        return self._inputs.name_of(self._sql(name))

    def _pattern(self, value: SigmaRegularExpression) -> str:
        flags = "".join(sorted(_FLAGS[one] for one in value.flags))
        text = _BARE_BRACE.sub(r"\\{", str(value.regexp).replace("(?P<", "(?<"))
        if "[[:" in text or (self._dialect is SPARK and "\\C" in text):
            raise SigmaValueError("the regular expression has a class that Java's expressions do not know")
        return self._dialect.quote(f"(?{flags}){text}" if flags else text)

    def _matched(self, name: str, value: SigmaString, *, is_cased: bool) -> str:
        column = self._as_is(name) if is_cased else self._lower(name)
        if _is_list(name):
            return self._tested(column, _between_line_ends(value), is_cased=is_cased)
        return self._tested(column, value, is_cased=is_cased)

    def _tested(self, column: str, value: SigmaString, *, is_cased: bool) -> str:
        """A column against a text with wildcards."""
        parts = [one if is_cased or not isinstance(one, str) else one.lower() for one in value.s]
        texts = [one for one in parts if isinstance(one, str) and one]
        if not parts:  # an empty text is what the normaliser makes null
            return f"({column} IS NULL OR {column} = '')"
        if all(one is SpecialChars.WILDCARD_MULTI for one in parts):
            return f"{column} IS NOT NULL"
        if len(texts) == 1 and not any(one is SpecialChars.WILDCARD_SINGLE for one in parts):
            text = self._dialect.quote(texts[0])
            opens, closes = parts[0] is SpecialChars.WILDCARD_MULTI, parts[-1] is SpecialChars.WILDCARD_MULTI
            if opens and closes:
                return f"contains({column}, {text})"
            if opens:
                return f"{self._dialect.endswith}({column}, {text})"
            return f"{self._dialect.startswith}({column}, {text})" if closes else f"{column} = {text}"
        pattern = "".join(_like(one) for one in parts)
        like = f"{column} LIKE {self._dialect.quote(pattern)} ESCAPE '!'"
        # most texts lack the longest part, and looking for that is far cheaper than a pattern
        return f"(contains({column}, {self._dialect.quote(max(texts, key=len))}) AND {like})" if texts else like


def _value(cond: ConditionFieldEqualsValueExpression | ConditionValueExpression) -> Any:
    """The value of a test; which kind it is, pySigma has looked at before it called."""
    return cond.value


_OPERATORS = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "NEQ": "<>"}
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i", SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}  # fmt: skip


def _like(part: object) -> str:
    if part is SpecialChars.WILDCARD_MULTI:
        return "%"
    return "_" if part is SpecialChars.WILDCARD_SINGLE else re.sub("([!%_])", r"!\1", str(part))


def _anywhere(value: SigmaString) -> SigmaString:
    """A value with a wildcard before and after it, which a keyword is."""
    found = SigmaString("")
    found.s = [SpecialChars.WILDCARD_MULTI, *value.s, SpecialChars.WILDCARD_MULTI]
    return found


def _between_line_ends(value: SigmaString) -> SigmaString:
    """What finds a value among several that line ends surround."""
    found = SigmaString("")
    opens = value.s and value.s[0] is SpecialChars.WILDCARD_MULTI
    closes = value.s and value.s[-1] is SpecialChars.WILDCARD_MULTI
    inner = value.s[1 if opens else 0 : len(value.s) - 1 if closes else None]
    found.s = _joined(*(() if opens else ("\n",)), *inner, *(() if closes else ("\n",)))
    return _anywhere(found)


def _joined(*parts: Any) -> list[Any]:
    """Parts with neighbouring texts put together."""
    out: list[Any] = []
    for part in parts:
        if out and isinstance(part, str) and isinstance(out[-1], str):
            out[-1] += part
        else:
            out.append(part)
    return out


def _plain_text(value: SigmaString | SigmaNumber) -> str:
    return ("".join(map(str, value.s)) if isinstance(value, SigmaString) else str(value)).lower()


def _is_list(name: str) -> bool:
    return name in _mapped_columns() and name.startswith(LIST)


@cache
def _mapped_columns() -> frozenset[str]:
    return frozenset(column for one in log_sources() for column in columns_of(one).values())
