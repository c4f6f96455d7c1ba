"""Taking XML apart by native expressions: no XML reader, so that no entity is ever resolved but XML's own five.

Every step passes over the text once and cannot go back in it. What is here knows nothing of Windows; it is for XML that
machines write, not for any XML: attributes may not hold a bare ``>``, and mixed content gives its first text only.
"""

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once

__all__ = [
    "attribute",
    "between",
    "element",
    "has_foreign_entity",
    "leaves",
    "plain_markup",
    "unescaped",
]

_NAMED = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))  # & comes last
_FOREIGN = r"&(?!(?:lt|gt|amp|quot|apos);)[A-Za-z_:][\w.:-]*+;"
_NUMBER = r"^(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6});"
_OPENED = r"<[A-Za-z_][^<>]*>[^<]*"
_OWN_NAME = r"""\sName\s*=\s*(["'])([^<>]*?)\1"""
_ELEMENT_NAME = r"^<(?:[^\s:/>]*:)?([^\s/>]+)"
_NOT_A_CHARACTER = "\ufffd"


def plain_markup(xml: Column) -> Column:
    """The text without comments, and with CDATA sections written as escaped text; what else begins ``<!`` stays."""

    # an unclosed section or comment keeps its mark, which is refused as markup that no record has
    def escaped(part: Column) -> Column:
        inside = F.substring_index(part, "]]>", 1)
        text = F.replace(F.replace(F.replace(inside, F.lit("&"), F.lit("&amp;")), F.lit("<"), F.lit("&lt;")),
                         F.lit(">"), F.lit("&gt;"))  # fmt: skip
        return F.when(
            F.contains(part, F.lit("]]>")), F.concat(text, _from(part, F.length(inside) + F.lit(4)))
        ).otherwise(F.concat(F.lit("<![CDATA["), part))

    def left(part: Column) -> Column:
        inside = F.substring_index(part, "-->", 1)
        return F.when(F.contains(part, F.lit("-->")), _from(part, F.length(inside) + F.lit(4))).otherwise(
            F.concat(F.lit("<!--"), part)
        )

    without_cdata = _each_part_after(xml, r"<!\[CDATA\[", escaped)
    return F.when(
        F.contains(xml, F.lit("<!")), computed_once(without_cdata, lambda text: _each_part_after(text, "<!--", left))
    ).otherwise(xml)


def _each_part_after(text: Column, mark: str, change: Callable[[Column], Column]) -> Column:
    """Change what follows each mark, up to the next, and leave the marks out."""
    parts = F.split(text, mark, -1)
    return F.array_join(F.transform(parts, lambda part, at: F.when(at == 0, part).otherwise(change(part))), "")


def _from(text: Column, start: Column) -> Column:
    return F.substring(text, start, F.length(text))


def has_foreign_entity(xml: Column) -> Column:
    """Say whether an entity is named that XML itself does not define: only a document type could, and none is read."""
    return F.contains(xml, F.lit("&")) & F.rlike(xml, F.lit(_FOREIGN))


def between(text: Column, opened: str, closed: str) -> Column:
    """What stands between the first ``opened`` and the first ``closed`` after it; null where one of them is missing."""
    rest = _from(text, F.instr(text, opened) + F.lit(len(opened)))
    return F.when(
        F.contains(text, F.lit(opened)),
        computed_once(rest, lambda rest: F.when(F.contains(rest, F.lit(closed)), F.substring_index(rest, closed, 1))),
    )


def element(xml: Column, name: str) -> Column:
    """Text of the first element of a name, entities left as they are; empty where it is missing."""
    return F.regexp_extract(xml, rf"<{name}(?:\s[^<>]*)?>([^<]*)</{name}>", 1)


def attribute(xml: Column, name: str, key: str) -> Column:
    """An attribute of the first element of a name that has it, in quotes of either kind; empty where it is missing."""
    return F.regexp_extract(xml, rf"""<{name}\s(?:[^<>]*\s)?{key}\s*=\s*(["'])([^<>]*?)\1""", 2)


def leaves(xml: Column) -> Column:
    """Names and texts of the elements that say something: array of struct<key: string, value: string>, in their order.

    An element is called by its attribute ``Name``, else by itself without a prefix; one that is called ``Data`` without
    a name is ``param`` and its place among all elements, from 1. What only lays XML out on lines is no text.
    """

    def opened(tag: Column) -> Column:
        head = F.substring_index(tag, ">", 1)
        return F.struct(head.alias("head"), unescaped(_from(tag, F.length(head) + F.lit(2))).alias("text"))

    def named(tag: Column, at: Column) -> Column:
        own, kind = F.regexp_extract(tag["head"], _OWN_NAME, 2), F.regexp_extract(tag["head"], _ELEMENT_NAME, 1)
        unnamed = F.when(kind == "Data", F.concat(F.lit("param"), (at + 1).cast("string"))).otherwise(kind)
        text = F.replace(tag["text"], F.lit("\r\n"), F.lit("\n"))
        return F.struct(F.when(F.length(own) > 0, own).otherwise(unnamed).alias("key"), text.alias("value"))

    def says(leaf: Column) -> Column:
        text = leaf["value"]
        return (F.length(text) > 0) & ~(F.startswith(text, F.lit("\n")) & (F.trim(text, F.lit(" \t\n")) == ""))

    return F.filter(F.transform(F.transform(F.regexp_extract_all(xml, F.lit(_OPENED), F.lit(0)), opened), named), says)


def unescaped(text: Column) -> Column:
    """Text with XML's own entities and character numbers as what they stand for; others stay as they are."""
    numbered = F.when(F.contains(text, F.lit("&#")), _each_part_after(text, "&#", _character)).otherwise(text)
    plain = numbered
    for entity, character in _NAMED:
        plain = F.replace(plain, F.lit(entity), F.lit(character))
    return F.when(F.contains(text, F.lit("&")), plain).otherwise(text)


def _character(part: Column) -> Column:
    """What follows ``&#``, with its number as a character; ``&`` stays escaped, since names are looked for after it."""
    number = F.regexp_extract(part, _NUMBER, 0)

    def replaced(number: Column) -> Column:
        digits = F.substring(number, F.lit(1), F.length(number) - F.lit(1))
        hex_digits = F.substring(digits, F.lit(2), F.length(digits))
        is_hex = F.startswith(F.lower(digits), F.lit("x"))
        code = F.when(is_hex, F.conv(hex_digits, 16, 10).try_cast("bigint")).otherwise(digits.try_cast("bigint"))
        return F.when(F.length(number) == 0, F.concat(F.lit("&#"), part)).otherwise(
            F.concat(computed_once(code, _of_code), _from(part, F.length(number) + F.lit(1)))
        )

    return computed_once(number, replaced)


def _of_code(code: Column) -> Column:
    # char() knows 256 characters only
    is_one = ((code > 0) & (code < 0xD800)) | ((code > 0xDFFF) & (code <= 0x10FFFF))
    return (
        F.when(code == ord("&"), F.lit("&amp;"))
        .when(is_one, F.decode(F.unhex(F.lpad(F.hex(code), 8, "0")), "UTF-32"))
        .otherwise(F.lit(_NOT_A_CHARACTER))
    )
