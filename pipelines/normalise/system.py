"""Services, scheduled tasks and cleared logs, outside the Security log."""

from pipelines.normalise.kinds import Kind

__all__ = ["EVENT_LOG", "SERVICES", "TASKS"]

SERVICES = (
    Kind("7045", "process", "service_installed", {"file_path": "ImagePath"}, from_header=True),
    Kind("7036", "other", "service_state_changed"),
    Kind("7040", "other", "service_start_type_changed", from_header=True),
    Kind("7034", "other", "service_crashed"),
)
TASKS = (
    Kind("106", "process", "task_created", {"user": "UserContext"}),
    Kind("140", "process", "task_changed", {"user": "UserName"}),
    Kind("141", "process", "task_deleted", {"user": "UserName"}),
    Kind("200", "process", "task_action_started", {"file_path": "ActionName"}),
    Kind("129", "process", "task_process_created", {"process_pid": "ProcessID", "process_path": "Path"}),
)
EVENT_LOG = (
    Kind("1102", "other", "log_cleared", {"user_name": "SubjectUserName", "user_domain": "SubjectDomainName"}),
    Kind("104", "other", "log_cleared", {"user_name": "SubjectUserName", "user_domain": "SubjectDomainName"}),
)
