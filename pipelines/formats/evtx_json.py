"""Windows events as the JSON that readers of ``.evtx`` files write (``evtx_dump -o jsonl``): ``{"Event": {"System": …}}``.

Attributes stand under ``#attributes``, the text of an element that has some under ``#text``. On one line, or over several
as ``pipelines.sources.record_cuts`` cuts them.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, unpacked
from pipelines.formats.envelope import JSON_OPTIONS, NumberedFormat, Pieces

__all__ = ["FORMAT"]

_BEGIN = r'^\{\s{0,16}"Event"\s?:\s?\{'
_MAP, _TEXTS = "map<string,string>", "`#text` array<string>"
_SCHEMA = (
    "Event struct<System: struct<Provider: struct<`#attributes`: struct<Name: string>>, EventID: string, Level: string, "
    "Keywords: string, TimeCreated: struct<`#attributes`: struct<SystemTime: string>>, EventRecordID: string, "
    "Correlation: struct<`#attributes`: struct<ActivityID: string>>, "
    "Execution: struct<`#attributes`: struct<ProcessID: string, ThreadID: string>>, Channel: string, Computer: string, "
    "Security: struct<`#attributes`: struct<UserID: string>>>, "
    f"EventData: {_MAP}, UserData: {_MAP}, RenderingInfo: struct<Message: string>>"
)


def _recognises(record: Column) -> Column:
    return F.rlike(record, F.lit(_BEGIN))


def _read(record: Column) -> Column:
    return F.from_json(record, _SCHEMA, JSON_OPTIONS)


def _pieces(record: Column, json: Column) -> Pieces:
    event, system = json["Event"], json["Event"]["System"]
    header = F.create_map(
        F.lit("record_number"), system["EventRecordID"],
        F.lit("level"), system["Level"],
        F.lit("keywords"), system["Keywords"],
        F.lit("activity_id"), system["Correlation"]["#attributes"]["ActivityID"],
        F.lit("logger_pid"), system["Execution"]["#attributes"]["ProcessID"],
        F.lit("logger_thread"), system["Execution"]["#attributes"]["ThreadID"],
        F.lit("account_sid"), system["Security"]["#attributes"]["UserID"],
    )  # fmt: skip
    return Pieces(
        problem=F.when(system.isNull(), "not a JSON object of this format"),
        time=system["TimeCreated"]["#attributes"]["SystemTime"],
        code=_text(system["EventID"]),
        endpoint=system["Computer"],
        provider=system["Provider"]["#attributes"]["Name"],
        channel=system["Channel"],
        message=event["RenderingInfo"]["Message"],
        fields=F.coalesce(computed_once(event["EventData"], _data), _user_data(event["UserData"])),
        header=header,
    )


def _text(element: Column) -> Column:
    """An element's text, whether it has attributes or not."""
    return F.when(F.startswith(element, F.lit("{")), F.get_json_object(element, "$['#text']")).otherwise(element)


def _data(entries: Column) -> Column:
    """Named data as they are; those without a name, which are one member, as ``param1`` and so on, as in XML."""
    text = _text(entries["Data"])
    texts = F.coalesce(F.from_json(entries["Data"], _TEXTS)["#text"], F.array(text))
    numbered = F.transform(
        texts,
        lambda one, at: F.struct(F.concat(F.lit("param"), (at + 1).cast("string")).alias("key"), one.alias("value")),
    )
    unnamed = F.when(text.isNotNull(), F.map_from_entries(numbered))
    named = F.map_filter(entries, lambda key, _: ~key.isin("#attributes", "Data") & ~F.rlike(key, F.lit(r"^param\d+$")))
    return F.when(text.isNull(), F.map_filter(entries, lambda key, _: key != "#attributes")).otherwise(
        F.map_concat(unnamed, unpacked(named))
    )


def _user_data(entries: Column) -> Column:
    """What stands in the provider's own element."""
    own = F.get(F.filter(F.map_values(entries), lambda value: F.startswith(value, F.lit("{"))), F.lit(0))
    told = F.map_filter(F.from_json(own, _MAP), lambda key, _: key != "#attributes")
    return F.transform_values(unpacked(told), lambda _, value: _text(value))


FORMAT = NumberedFormat(
    name="evtx_json", platform="windows", priority=35, recognises=_recognises, read=_read, pieces=_pieces
)
