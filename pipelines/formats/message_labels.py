r"""What the labels of a rendered Windows message (English) are called in the event's own data, as a table.

A message has sections (``Subject:``) with indented labels (``\tAccount Name:\t\tmia``), and labels outside of them. Names
are those of Microsoft's event manifests, so that a message gives the fields that the XML of the same event has.
"""

from collections.abc import Mapping

__all__ = ["LABELS", "OUTSIDE"]

OUTSIDE = ""  # the section of labels that stand in none


def _account(prefix: str, **more: str) -> dict[str, str]:
    """Labels of a section that tells of an account and its logon."""
    return {
        "Security ID": f"{prefix}UserSid",
        "Account Name": f"{prefix}UserName",
        "Account Domain": f"{prefix}DomainName",
        "Logon ID": f"{prefix}LogonId",
        "Logon GUID": "LogonGuid",
        **more,
    }


_SUBJECT = _account("Subject", **{"Domain Name": "SubjectDomainName"})
_LOGON = _account(
    "Target",
    **{"Linked Logon ID": "TargetLinkedLogonId", "Network Account Name": "TargetOutboundUserName",
       "Network Account Domain": "TargetOutboundDomainName"},
)  # fmt: skip
_TARGET = _account("Target", **{
    "Security ID": "TargetSid", "Group Name": "TargetUserName", "Group Domain": "TargetDomainName",
    "Old Account Name": "OldTargetUserName", "New Account Name": "NewTargetUserName",
    "Supplied Realm Name": "TargetDomainName", "User ID": "TargetSid",
})  # fmt: skip
_PROCESS = {
    "Process ID": "ProcessId", "Process Name": "ProcessName", "Exit Status": "Status",
    "Caller Process ID": "ProcessId", "Caller Process Name": "ProcessName",
    "New Process ID": "NewProcessId", "New Process Name": "NewProcessName", "Creator Process ID": "ProcessId",
    "Creator Process Name": "ParentProcessName", "Process Command Line": "CommandLine",
    "Token Elevation Type": "TokenElevationType", "Mandatory Label": "MandatoryLabel",
}  # fmt: skip
_CALLER = {"Process ID": "CallerProcessId", "Process Name": "CallerProcessName"}
_REMOTE = {
    "Workstation Name": "WorkstationName", "Source Network Address": "IpAddress", "Source Port": "IpPort",
    "Network Address": "IpAddress", "Port": "IpPort", "Client Address": "IpAddress", "Client Port": "IpPort",
}  # fmt: skip
_FLOW = {
    "Direction": "Direction", "Source Address": "SourceAddress", "Source Port": "SourcePort", "Protocol": "Protocol",
    "Destination Address": "DestAddress", "Destination Port": "DestPort",
}  # fmt: skip
_SHARE_CLIENT = {"Object Type": "ObjectType", "Source Address": "IpAddress", "Source Port": "IpPort"}
_OBJECT = {
    "Object Server": "ObjectServer", "Object Type": "ObjectType", "Object Name": "ObjectName", "Handle ID": "HandleId",
    "Resource Attributes": "ResourceAttributes", "Object Value Name": "ObjectValueName",
    "Operation Type": "OperationType", "DN": "ObjectDN", "GUID": "ObjectGUID", "Class": "ObjectClass",
}  # fmt: skip
_ACCESS = {
    "Transaction ID": "TransactionId", "Accesses": "AccessList", "Access Reasons": "AccessReason",
    "Access Mask": "AccessMask", "Privileges Used for Access Check": "PrivilegeList",
    "Restricted SID Count": "RestrictedSidCount", "Desired Access": "AccessMask", "Privileges": "PrivilegeList",
}  # fmt: skip
_TICKET = {
    "Ticket Options": "TicketOptions", "Result Code": "Status", "Failure Code": "Status",
    "Ticket Encryption Type": "TicketEncryptionType", "Pre-Authentication Type": "PreAuthType",
    "Transited Services": "TransmittedServices", "Caller Computer Name": "TargetDomainName",
    "Client Name": "ClientName", "Client Address": "ClientAddress", "Privileges": "PrivilegeList",
}  # fmt: skip

_SECTIONS: dict[str, Mapping[str, str]] = {
    "Subject": _SUBJECT,
    "Creator Subject": _SUBJECT,
    "New Logon": _LOGON,
    "Target Subject": _LOGON,
    "Account For Which Logon Failed": _LOGON,
    "Account Whose Credentials Were Used": _LOGON,
    "Account Information": _TARGET,
    "Target Account": _TARGET,
    "Target Computer": _TARGET,
    "New Account": _TARGET,
    "New Computer Account": _TARGET,
    "Computer Account That Was Changed": _TARGET,
    "Account That Was Locked Out": _TARGET,
    "User": _TARGET,
    "Group": _TARGET,
    "New Group": _TARGET,
    "Deleted Group": _TARGET,
    "Member": {"Security ID": "MemberSid", "Account Name": "MemberName"},
    "Process Information": _PROCESS,
    "Process": _PROCESS,
    "Network Information": {**_FLOW, **_REMOTE},
    "Application Information": {"Process ID": "ProcessId", "Application Name": "Application"},
    "Filter Information": {
        "Filter Run-Time ID": "FilterRTID", "Layer Name": "LayerName", "Layer Run-Time ID": "LayerRTID",
        "Filter Origin": "FilterOrigin", "Interface Index": "InterfaceIndex",
    },
    "Logon Information": {
        "Logon Type": "LogonType", "Restricted Admin Mode": "RestrictedAdminMode", "Virtual Account": "VirtualAccount",
        "Remote Credential Guard": "RemoteCredentialGuard", "Elevated Token": "ElevatedToken",
    },
    "Detailed Authentication Information": {
        "Logon Process": "LogonProcessName", "Authentication Package": "AuthenticationPackageName",
        "Transited Services": "TransmittedServices", "Package Name (NTLM only)": "LmPackageName",
        "Key Length": "KeyLength",
    },
    "Failure Information": {"Failure Reason": "FailureReason", "Status": "Status", "Sub Status": "SubStatus"},
    "Target Server": {"Target Server Name": "TargetServerName", "Additional Information": "TargetInfo"},
    "Service Information": {
        "Service Name": "ServiceName", "Service ID": "ServiceSid", "Service File Name": "ServiceFileName",
        "Service Type": "ServiceType", "Service Start Type": "ServiceStartType", "Service Account": "ServiceAccount",
        "Client Process ID": "ClientProcessId", "Parent Process ID": "ParentProcessId",
    },
    "Additional Information": _TICKET,
    "Additional": {"Privileges": "PrivilegeList"},
    "Object": _OBJECT,
    "Access Request Information": _ACCESS,
    "Service Request Information": _ACCESS,
    "Requested Operation": _ACCESS,
    "Operation": {
        "Operation Type": "OperationType", "Accesses": "AccessList", "Access Mask": "AccessMask",
        "Properties": "Properties", "Type": "OperationType", "Correlation ID": "OpCorrelationID",
    },
    "Service": {"Server": "ObjectServer", "Service Name": "Service"},
    "Change Information": {
        "Old Value Type": "OldValueType", "Old Value": "OldValue", "New Value Type": "NewValueType",
        "New Value": "NewValue",
    },
    "Permissions Change": {"Original Security Descriptor": "OldSd", "New Security Descriptor": "NewSd"},
    "Source Handle Information": {"Source Handle ID": "SourceHandleId", "Source Process ID": "SourceProcessId"},
    "New Handle Information": {"Target Handle ID": "TargetHandleId", "Target Process ID": "TargetProcessId"},
    "Share Information": {
        "Share Name": "ShareName", "Share Path": "ShareLocalPath", "Relative Target Name": "RelativeTargetName",
    },
    "Task Information": {
        "Task Name": "TaskName", "Task Content": "TaskContent", "Task New Content": "TaskContentNew",
    },
    "Other Information": {
        "ProcessCreationTime": "ClientProcessStartKey", "ClientProcessId": "ClientProcessId",
        "ParentProcessId": "ParentProcessId", "FQDN": "FQDN",
    },
    "Audit Policy Change": {
        "Category": "CategoryId", "Subcategory": "SubcategoryId", "Subcategory GUID": "SubcategoryGuid",
        "Changes": "AuditPolicyChanges",
    },
    "Directory Service": {"Name": "DSName", "Type": "DSType"},
    "Attribute": {
        "LDAP Display Name": "AttributeLDAPDisplayName", "Syntax (OID)": "AttributeSyntaxOID", "Value": "AttributeValue",
    },
    OUTSIDE: {
        "Logon Type": "LogonType", "Impersonation Level": "ImpersonationLevel", "Privileges": "PrivilegeList",
        "Authentication Package": "PackageName", "Logon Account": "TargetUserName", "Source Workstation": "Workstation",
        "Error Code": "Status", "Enabled Privileges": "EnabledPrivilegeList",
        "Disabled Privileges": "DisabledPrivilegeList", "Access Check Results": "AccessReason",
        "Group Membership": "GroupMembership", "Read Operation": "ReadOperation",
        "Service Name": "ServiceName", "Service File Name": "ImagePath", "Service Type": "ServiceType",
        "Service Start Type": "StartType", "Service Account": "AccountName",
    },
}  # fmt: skip
_SESSION_SUBJECT = {"Account Name": "AccountName", "Account Domain": "AccountDomain", "Logon ID": "LogonID"}

# what one event calls otherwise: event number -> section -> labels that replace those above
_OF_ONE_EVENT: dict[str, Mapping[str, Mapping[str, str]]] = {
    **{code: {"Subject": {**_LOGON, "Session ID": "SessionId"}} for code in ("4634", "4647", "4800", "4801")},
    **{code: {"Subject": _SESSION_SUBJECT} for code in ("4778", "4779")},
    **{code: {"Process Information": _CALLER} for code in ("4798", "4799")},
    **{code: {"Network Information": _SHARE_CLIENT} for code in ("5140", "5145")},
    **{code: {"Network Information": _FLOW} for code in ("5152", "5154", "5156", "5157", "5158")},
    "4703": {"Target Account": _LOGON},
}

LABELS: Mapping[str, Mapping[str, str]] = {
    **_SECTIONS,
    **{f"{code}/{section}": labels for code, sections in _OF_ONE_EVENT.items() for section, labels in sections.items()},
}
"""Section, or event number and section where that event's differ -> label -> name of the field."""
