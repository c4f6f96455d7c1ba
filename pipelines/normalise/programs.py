"""What log lines of Unix programs tell: logons by OpenSSH and login, sudo, su, cron, accounts; any other is a message.

Names of the parts are those of ``pipelines.formats.syslog_programs``.
"""

from pipelines.normalise.kinds import Kind

__all__ = ["PROGRAMS"]

_PID = {"process_pid": "pid"}
_WHO = {**_PID, "user": "user"}
_REMOTE = {**_WHO, "src_ip": "src_ip", "src_port": "src_port"}

PROGRAMS = (
    Kind("ssh_accepted", "auth", "logon", {**_REMOTE, "logon_type": "method"}, outcome="success"),
    Kind("ssh_failed", "auth", "logon_failed", {**_REMOTE, "logon_type": "method"}, outcome="failure"),
    Kind("ssh_unknown_user", "auth", "logon_unknown_user", _REMOTE, outcome="failure"),
    Kind("ssh_attempts_exceeded", "auth", "logon_attempts_exceeded", _REMOTE, outcome="failure"),
    Kind("ssh_refused", "auth", "logon_refused", {**_WHO, "src_ip": "src_ip"}, outcome="failure"),
    Kind("ssh_connected", "auth", "connection_opened", {**_REMOTE, "dst_ip": "dst_ip", "dst_port": "dst_port"}),
    Kind("ssh_session", "auth", "logon_session", _REMOTE, outcome="success"),
    Kind("ssh_disconnected", "auth", "connection_closed", _REMOTE),
    Kind("login_opened", "auth", "logon", {**_WHO, "src_ip": "src_ip", "logon_type": "tty"}, outcome="success"),
    Kind("login_failed", "auth", "logon_failed", {**_WHO, "logon_type": "tty"}, outcome="failure"),
    Kind("logind_session", "auth", "logon_session", _WHO, outcome="success"),
    Kind("logind_ended", "auth", "logoff", _PID),
    Kind("session_opened", "auth", "logon_session", {**_WHO, "logon_type": "service"}, outcome="success"),
    Kind("session_closed", "auth", "logoff", {**_WHO, "logon_type": "service"}),
    Kind("authentication_failed", "auth", "logon_authenticated",
         {**_WHO, "src_ip": "src_ip", "logon_type": "service"}, outcome="failure"),
    Kind("sudo_command", "auth", "user_command", {**_WHO, "command_line": "command"}, outcome="success"),
    Kind("sudo_refused", "auth", "user_command", {**_WHO, "command_line": "command"}, outcome="failure"),
    Kind("su_opened", "auth", "account_switched", _WHO, outcome="success"),
    Kind("su_failed", "auth", "account_switched", _WHO, outcome="failure"),
    Kind("cron_command", "process", "job_started", {**_WHO, "command_line": "command"}),
    Kind("crontab_changed", "auth", "job_changed", _WHO, outcome="success"),
    Kind("account_created", "auth", "account_created", _WHO, outcome="success"),
    Kind("account_not_created", "auth", "account_created", _WHO, outcome="failure"),
    Kind("account_deleted", "auth", "account_deleted", _WHO, outcome="success"),
    Kind("account_changed", "auth", "account_changed", _WHO, outcome="success"),
    Kind("account_locked", "auth", "account_locked", _WHO, outcome="success"),
    Kind("account_unlocked", "auth", "account_unlocked", _WHO, outcome="success"),
    Kind("password_changed", "auth", "account_password_changed", _WHO, outcome="success"),
    Kind("group_created", "auth", "group_created", _PID, outcome="success"),
    Kind("group_deleted", "auth", "group_deleted", _PID, outcome="success"),
    Kind("group_member_added", "auth", "group_changed", _WHO, outcome="success"),
    Kind("message", "other", "message_logged", {**_PID, "process_path": "_EXE", "command_line": "_CMDLINE"}),
)  # fmt: skip
