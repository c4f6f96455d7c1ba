"""Expressions over arrays and maps whose cost grows with their length alone: a record may hold thousands of pairs.

Spark computes an expression inside a lambda anew for each element, and several of its array functions look through the
whole array for each; what is here sorts once and compares neighbours.
"""

from collections.abc import Callable
from typing import Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["computed_once", "distinct_neighbours", "map_of", "runs", "unpacked"]


def computed_once(column: Column, use: Callable[[Column], Column]) -> Column:
    """Give ``use`` a column that it may use any number of times, also in lambdas, and that is computed once."""
    # a lambda's argument is a value, whatever it was made from
    return F.get(F.transform(F.array(column), use), F.lit(0))


def map_of(pairs: Column, *, keep: Literal["first", "last"]) -> Column:
    """Pairs as a map; a key that stands twice must not fail the batch: the first or the last counts.

    Args:
        pairs: array of struct<key: string, value: string>; used often, so a column of the frame or what was computed once.
        keep: which of equal keys counts.
    """
    if keep == "last":
        return F.map_from_entries(pairs)  # by the session's `mapKeyDedupPolicy`
    return F.map_from_entries(F.when(_has_doubles(pairs["key"]), _with_first_keys(pairs)).otherwise(pairs))


def unpacked(entries: Column) -> Column:
    """The same map, of equal keys the last, as lambdas are best given it.

    The JSON reader keeps a key that stands twice, and then writers and readers of the map fail. And where a lambda takes
    entries from a map as it lies in a row, Spark 4.2 makes a configuration object for each (docs/decisions/0005); putting
    the map together anew costs less than that.
    """
    return F.map_concat(entries, F.create_map().cast("map<string,string>"))


def _has_doubles(keys: Column) -> Column:
    return F.size(F.array_distinct(keys)) < F.size(keys)


def _with_first_keys(pairs: Column) -> Column:
    """The pairs without all but the first of those with equal keys, in their order.

    It sorts twice; where no key stands twice they are better left alone.
    """
    numbered = F.transform(
        pairs, lambda pair, at: F.struct(pair["key"].alias("key"), at.alias("at"), pair["value"].alias("value"))
    )
    kept = computed_once(
        F.sort_array(numbered),
        lambda ordered: F.filter(ordered, lambda one, at: _differs(ordered, at, one["key"], lambda each: each["key"])),
    )
    in_place = F.sort_array(
        F.transform(
            kept,
            lambda one: F.struct(one["at"].alias("at"), one["key"].alias("key"), one["value"].alias("value")),
        )
    )
    return F.transform(in_place, lambda one: F.struct(one["key"].alias("key"), one["value"].alias("value")))


def distinct_neighbours(ordered: Column) -> Column:
    """The array without elements that equal the one before; ``array_distinct`` compares structs each with each."""
    return computed_once(
        ordered, lambda array: F.filter(array, lambda one, at: _differs(array, at, one, lambda each: each))
    )


def runs(ordered: Column, name: str) -> Column:
    """Where neighbours have the same value: struct<first: int, last: int>, positions from 0, for each run.

    Args:
        ordered: array of structs; used often, so a column of the frame or what `computed_once` gives.
        name: field of the structs that is compared.
    """
    starts = F.filter(
        F.transform(
            ordered,
            lambda one, at: F.when(_differs(ordered, at, one[name], lambda each: each[name]), at),
        ),
        lambda at: at.isNotNull(),
    )
    return computed_once(
        starts,
        lambda firsts: F.transform(
            firsts,
            lambda first, number: F.struct(
                first.alias("first"),
                (F.coalesce(F.get(firsts, number + 1), F.size(ordered)) - 1).alias("last"),
            ),
        ),
    )


def _differs(array: Column, at: Column, value: Column, of: Callable[[Column], Column]) -> Column:
    return (at == 0) | (value != of(F.get(array, at - 1)))
