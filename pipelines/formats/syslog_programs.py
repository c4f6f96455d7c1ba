"""What the programs of a Unix system say in their log lines, as data: pattern, name of the event, names of its parts.

Only wording is told here, that of OpenSSH, sudo, su, cron, login, systemd-logind, shadow's tools and Linux-PAM; which
columns the parts fill is ``pipelines.normalise.programs``. A message that no pattern takes is a plain ``message``.
"""

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once

__all__ = ["PHRASES", "Phrase", "parts_of"]

_PAIR_CUT, _NAME_CUT = "\u0001", "\u0002"


@dataclass(frozen=True)
class Phrase:
    """One wording of a message.

    Attributes:
        programs: who says it; empty for any (PAM speaks in the name of the program that calls it).
        code: name of the event.
        pattern: the whole message, with a group for each part. Groups that repeat are of single characters and
            followed by what they cannot hold, or bounded, so that a match takes time that grows with the message.
        parts: names of the groups.
    """

    programs: tuple[str, ...]
    code: str
    pattern: str
    parts: tuple[str, ...]


_SSH = ("sshd", "sshd-session", "sshd-auth")
_CRON = ("cron", "crond", "anacron", "crontab")
_SHADOW = ("useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod", "passwd", "chpasswd", "gpasswd", "chage",
           "adduser", "newusers")  # fmt: skip
_FROM = r"from (\S{1,255}) port (\d{1,5})"
_AS_USER = r"(?:(?:authenticating |invalid )?user (.*) )?"
_EARLY = r"(?: \[preauth\])?"
_SUDO_TAIL = (
    r"(?:TTY=(\S{1,255}) ; )?PWD=([^;]{0,4096}) ; USER=(\S{1,255}) ;(?: GROUP=\S{1,255} ;)?(?: TSID=\S{1,255} ;)?"
    r"(?: ENV=[^;]{0,65536}+;)? COMMAND=(.*)"
)
_SUDO_PARTS = ("tty", "cwd", "target_user", "command")

PHRASES = (
    Phrase(_SSH, "ssh_accepted", rf"Accepted (\S{{1,64}}) for (.+) {_FROM}(?: ssh2)?(?:: (.*))?",
           ("method", "user", "src_ip", "src_port", "key")),
    Phrase(_SSH, "ssh_failed", rf"Failed (\S{{1,64}}) for (?:(?:invalid|illegal) user )?(.*) {_FROM}(?: ssh2)?(?:: (.*))?",
           ("method", "user", "src_ip", "src_port", "key")),
    Phrase(_SSH, "ssh_unknown_user", r"(?:Invalid|Illegal) user (.*) from (\S{1,255})(?: port (\d{1,5}))?",
           ("user", "src_ip", "src_port")),
    Phrase(_SSH, "ssh_attempts_exceeded",
           rf"(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?(.*) {_FROM}(?: ssh2)?{_EARLY}",
           ("user", "src_ip", "src_port")),
    Phrase(_SSH, "ssh_refused", r"User (\S{1,255}) from (\S{1,255}) not allowed because (.*)", ("user", "src_ip", "why")),
    Phrase(_SSH, "ssh_disconnected",
           rf"Disconnected from {_AS_USER}(\S{{1,255}}) port (\d{{1,5}}){_EARLY}",
           ("user", "src_ip", "src_port")),
    Phrase(_SSH, "ssh_disconnected", rf"Received disconnect {_FROM}:(?: ?(.*))", ("src_ip", "src_port", "why")),
    Phrase(_SSH, "ssh_disconnected",
           rf"Connection (?:closed|reset) by {_AS_USER}(\S{{1,255}}) port (\d{{1,5}}){_EARLY}",
           ("user", "src_ip", "src_port")),
    Phrase(_SSH, "ssh_disconnected",
           rf"Disconnecting {_AS_USER}(\S{{1,255}}) port (\d{{1,5}}): (.*)",
           ("user", "src_ip", "src_port", "why")),
    Phrase(_SSH, "ssh_connected", rf"Connection {_FROM} on (\S{{1,255}}) port (\d{{1,5}}).*",
           ("src_ip", "src_port", "dst_ip", "dst_port")),
    Phrase(_SSH, "ssh_session", rf"Starting session: (.*) for (\S{{1,255}}) {_FROM}.*",
           ("session", "user", "src_ip", "src_port")),
    Phrase(("sudo",), "sudo_command", rf"(\S{{1,255}}) : {_SUDO_TAIL}", ("user", *_SUDO_PARTS)),
    Phrase(("sudo",), "sudo_refused", rf"(\S{{1,255}}) : ([^;=]{{1,255}}) ; {_SUDO_TAIL}", ("user", "why", *_SUDO_PARTS)),
    Phrase(("su",), "su_opened", r"\(to (\S{1,255})\) (\S{1,255}) on (\S{1,255})", ("target_user", "user", "tty")),
    Phrase(("su",), "su_opened", r"Successful su for (\S{1,255}) by (\S{1,255})", ("target_user", "user")),
    Phrase(("su",), "su_opened", r"\+ (\S{1,255}) ([^\s:]{1,255}):(\S{1,255})", ("tty", "user", "target_user")),
    Phrase(("su",), "su_failed", r"FAILED (?:SU|su) \(to (\S{1,255})\) (\S{1,255}) on (\S{1,255})",
           ("target_user", "user", "tty")),
    Phrase(("su",), "su_failed", r"FAILED su for (\S{1,255}) by (\S{1,255})", ("target_user", "user")),
    Phrase(("su",), "su_failed", r"- (\S{1,255}) ([^\s:]{1,255}):(\S{1,255})", ("tty", "user", "target_user")),
    Phrase(_CRON, "cron_command", r"\(([^)]{1,255})\) CMD \((.*)\)", ("user", "command")),
    Phrase(_CRON, "crontab_changed", r"\(([^)]{1,255})\) (?:REPLACE|DELETE) \(([^)]{1,255})\)", ("user", "target_user")),
    Phrase(("systemd-logind",), "logind_session", r"New session (\S{1,64}) of user ([^\s.]{1,255}|\S{1,255}?)(?:\.| with .*)?",
           ("session", "user")),
    Phrase(("systemd-logind",), "logind_ended", r"(?:Removed session (\S{1,64}?)\.|Session (\S{1,64}) logged out\..*)",
           ("session", "session_out")),
    Phrase(("login",), "login_opened", r"(?:ROOT )?LOGIN ON (\S{1,255}) BY (\S{1,255})(?: FROM (\S{1,255}))?",
           ("tty", "user", "src_ip")),
    Phrase(("login",), "login_failed", r"FAILED LOGIN \S{1,16} (?:on|ON) '?([^\s']{1,255})'? (?:FOR|for) '([^']{0,255})', (.*)",
           ("tty", "user", "why")),
    Phrase(_SHADOW, "account_created", r"new user: name=([^,\s]{1,255}), UID=(\d+), GID=(\d+), home=([^,]*), shell=([^,]*).*",
           ("user", "uid", "gid", "home", "shell")),
    Phrase(_SHADOW, "account_not_created", r"failed adding user '([^']{1,255})'.*", ("user",)),
    Phrase(_SHADOW, "account_deleted", r"delete user '([^']{1,255})'", ("user",)),
    Phrase(_SHADOW, "group_created", r"(?:new group|group added to \S{1,255}): name=([^,\s]{1,255})(?:, GID=(\d+))?.*",
           ("group", "gid")),
    Phrase(_SHADOW, "group_deleted", r"(?:group '([^']{1,255})' removed.*|removed (?:shadow )?group '([^']{1,255})'.*)",
           ("group", "own_group")),
    Phrase(_SHADOW, "group_member_added", r"add '([^']{1,255})' to (?:shadow )?group '([^']{1,255})'",
           ("user", "group")),
    Phrase(_SHADOW, "group_member_added", r"user (\S{1,255}) added by (\S{1,255}) to group (\S{1,255})",
           ("target_user", "user", "group")),
    Phrase(_SHADOW, "account_locked", r"lock user '([^']{1,255})' password", ("user",)),
    Phrase(_SHADOW, "account_unlocked", r"unlock user '([^']{1,255})' password", ("user",)),
    Phrase(_SHADOW, "account_changed", r"change user '([^']{1,255})' (.*)", ("user", "change")),
    Phrase(_SHADOW, "password_changed", r"password for '([^']{1,255})' changed by '([^']{1,255})'", ("target_user", "user")),
    Phrase((), "session_opened",
           r"pam_\w{1,40}\(([^:()\s]{1,64}):session\): session opened for user ([^\s(]{1,255})(?:\(uid=(\d+)\))?"
           r"(?: by ([^\s(]{0,255})(?:\(uid=\d+\))?)?", ("service", "user", "uid", "by_user")),
    Phrase((), "session_closed", r"pam_\w{1,40}\(([^:()\s]{1,64}):session\): session closed for user (\S{1,255})",
           ("service", "user")),
    Phrase((), "authentication_failed",
           r"pam_\w{1,40}\(([^:()\s]{1,64}):auth\): authentication failure; logname=(\S{0,255}) uid=(\d*) euid=(\d*) "
           r"tty=(\S{0,255}) ruser=(\S{0,255}) rhost=(\S{0,255})(?: +user=(\S{0,255}))?",
           ("service", "login_name", "uid", "euid", "tty", "remote_user", "src_ip", "user")),
    Phrase((), "password_changed", r"pam_\w{1,40}\(([^:()\s]{1,64}):chauthtok\): password changed for (\S{1,255})",
           ("service", "user")),
)  # fmt: skip


def parts_of(program: Column, message: Column) -> Column:
    """What a message says, as a map: ``code``, and the parts of the phrase that took it; null where none did.

    Args:
        program: its name in lower case, without a path.
        message: its text.
    """
    # the characters that part the answer cannot come from the message
    text = F.translate(message, _PAIR_CUT + _NAME_CUT, "  ")

    def said(text: Column) -> Column:
        by_program: dict[tuple[str, ...], Column] = {}
        for phrase in reversed(PHRASES):
            whole = f"(?s)^{phrase.pattern}\\s*$"
            parts = [f"code{_NAME_CUT}{phrase.code}"]
            parts += [f"{name}{_NAME_CUT}${number}" for number, name in enumerate(phrase.parts, start=1)]
            answer = F.regexp_replace(text, whole, _PAIR_CUT.join(parts))
            rest = by_program.get(phrase.programs, F.lit(None).cast("string"))
            by_program[phrase.programs] = F.when(F.rlike(text, F.lit(whole)), answer).otherwise(rest)
        found = F.when(F.startswith(text, F.lit("pam_")), by_program.pop(()))
        for programs, answers in by_program.items():
            found = found.when(program.isin(*programs), answers)
        return F.str_to_map(found, F.lit(_PAIR_CUT), F.lit(_NAME_CUT))

    return computed_once(text, said)
