"""What is decided of an event in an envelope of Splunk's HTTP Event Collector, by the collector and by the pipeline alike.

Patterns mean the same to Python and to Java. Spark is not needed here: ``api.collector`` has none.
"""

__all__ = ["ENVELOPE_MEMBERS", "HOST", "RENDERED", "STAMP_WITHOUT_ZONE", "TELLS_TIME"]

ENVELOPE_MEMBERS = ("time", "host", "source", "sourcetype", "index", "event", "fields")
"""The members that an envelope may have; an object with any other is none."""

HOST = r"[!#-~]{1,255}"
"""What of an envelope's host can be an endpoint."""

RENDERED = r"(?:(\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d(?:\.\d+)? [AP]M)[ \t\r]*\n)?(?=LogName=)"  # fmt: skip
"""What stands before a Windows event in Splunk's text: its time, without a zone, in group 1."""

STAMP_WITHOUT_ZONE = (
    r"^(?:\d{1,7} (?=<))?((?:<\d{1,3}> ?)?)"
    r"(?:[A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?= )"
)
"""A line's syslog header up to its time, where that has no zone; the priority is group 1."""

TELLS_TIME = (
    "@timestamp", "timestamp", "Timestamp", "time", "ID", "EventTime", "EventReceivedTime", "TimeCreated",
    "TimeGenerated", "TimeGenerated [UTC]", "ISODATE", "timereported", "timegenerated",
    "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "Event", "logster_row",
)  # fmt: skip
"""Members of a JSON object that hold the time of its event; one that has none of them takes the envelope's."""
