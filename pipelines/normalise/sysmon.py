"""Sysmon's events, on Windows and Linux alike."""

from pipelines.normalise.kinds import Kind

__all__ = ["SYSMON"]

_SUBJECT = {"process_guid": "ProcessGuid", "process_pid": "ProcessId", "process_path": "Image", "user": "User"}
_SOURCE_AND_TARGET = {
    "process_guid": "SourceProcessGuid|SourceProcessGUID",  # 8 writes it one way, 10 the other
    "process_pid": "SourceProcessId",
    "process_path": "SourceImage",
    "user": "SourceUser",
    "target_guid": "TargetProcessGuid|TargetProcessGUID",
    "target_pid": "TargetProcessId",
    "target_path": "TargetImage",
}
_PARENT = {
    "parent_guid": "ParentProcessGuid", "parent_pid": "ParentProcessId", "parent_path": "ParentImage",
    "parent_command_line": "ParentCommandLine",
}  # fmt: skip
_FILE = {**_SUBJECT, "file_path": "TargetFilename", "file_hash": "Hashes|Hash"}
_MODULE = {**_SUBJECT, "file_path": "ImageLoaded", "file_hash": "Hashes", "signed": "Signed"}
_NETWORK = {
    **_SUBJECT, "dst_ip": "DestinationIp", "dst_port": "DestinationPort", "dst_domain": "DestinationHostname",
    "src_ip": "SourceIp", "src_port": "SourcePort", "protocol": "Protocol",
}  # fmt: skip
_REGISTRY = {**_SUBJECT, "registry_key": "TargetObject", "registry_value": "Details|NewName"}
_PIPE = {**_SUBJECT, "file_path": "PipeName"}

SYSMON = (
    Kind("10", "process", "process_accessed", {**_SOURCE_AND_TARGET, "privilege": "GrantedAccess"}),
    Kind("7", "module", "module_loaded", _MODULE),
    Kind("12", "registry", "registry_changed", _REGISTRY, variant_by="EventType"),
    Kind("12", "registry", "registry_key_created", _REGISTRY, variant="CreateKey"),
    Kind("12", "registry", "registry_key_deleted", _REGISTRY, variant="DeleteKey"),
    Kind("12", "registry", "registry_value_deleted", _REGISTRY, variant="DeleteValue"),
    Kind("13", "registry", "registry_value_set", _REGISTRY),
    Kind("14", "registry", "registry_renamed", _REGISTRY),
    Kind("3", "network", "connected", _NETWORK, variant_by="Initiated"),
    Kind("3", "network", "accepted", _NETWORK, variant="false"),
    Kind("11", "file", "file_created", _FILE),
    Kind("1", "process", "process_created", {
        **_SUBJECT, **_PARENT, "command_line": "CommandLine", "file_hash": "Hashes"}),
    Kind("5", "process", "process_ended", _SUBJECT),
    Kind("2", "file", "file_time_changed", _FILE),
    Kind("8", "process", "thread_created", _SOURCE_AND_TARGET),
    Kind("9", "file", "disk_read", {**_SUBJECT, "file_path": "Device"}),
    Kind("15", "file", "file_stream_created", _FILE),
    Kind("17", "file", "pipe_created", _PIPE),
    Kind("18", "file", "pipe_connected", _PIPE),
    Kind("22", "network", "dns_query", {**_SUBJECT, "dst_domain": "QueryName"}),
    Kind("23", "file", "file_deleted", _FILE),
    Kind("26", "file", "file_deleted", _FILE),
    Kind("25", "process", "process_tampered", _SUBJECT),
    Kind("6", "module", "driver_loaded", _MODULE),
    Kind("4", "other", "sysmon_state_changed"),
    Kind("16", "other", "sysmon_config_changed", {"file_path": "Configuration", "file_hash": "ConfigurationFileHash"}),
    Kind("19", "other", "wmi_filter_registered", {"user": "User", "script_text": "Query"}),
    Kind("20", "other", "wmi_consumer_registered", {"user": "User", "script_text": "Destination"}),
    Kind("21", "other", "wmi_binding_registered", {"user": "User"}),
    Kind("24", "other", "clipboard_changed", {**_SUBJECT, "file_hash": "Hashes"}),
    Kind("27", "file", "file_blocked", _FILE),
    Kind("28", "file", "file_shredding_blocked", _FILE),
    Kind("29", "file", "executable_created", _FILE),
    Kind("255", "other", "sysmon_error"),
)  # fmt: skip
