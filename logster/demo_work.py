"""An ordinary day on the made-up Windows endpoints: people at work, programs, services and the noise they make.

Attacks are `logster.demo_attack`'s.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from logster.demo_host import SYSTEM, Process, WindowsHost

__all__ = ["work"]

_SYSTEM32 = "C:\\Windows\\System32\\"
_OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
_CHROME = "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"
_POWERSHELL = f"{_SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe"
_CLR = (f"{_SYSTEM32}mscoree.dll", f"{_SYSTEM32}amsi.dll")
_USER_LIBRARIES = (f"{_SYSTEM32}user32.dll", f"{_SYSTEM32}combase.dll", f"{_SYSTEM32}uxtheme.dll")
_CALLERS = (f"{_SYSTEM32}RPCRT4.dll+76a5", f"{_SYSTEM32}sechost.dll+2de2", f"{_SYSTEM32}combase.dll+5a3c1")
_SITES = (
    ("www.example.com", "93.184.215.14"), ("news.example.org", "198.51.100.21"), ("shop.example.net", "198.51.100.40"),
    ("intranet.example.org", "198.51.100.25"), ("maps.example.com", "198.51.100.77"),
    ("wiki.example.org", "198.51.100.26"),
    ("cdn.example.net", "198.51.100.9"), ("travel.example.org", "198.51.100.130"),
)  # fmt: skip
_DOCUMENTS = (
    "Quarterly figures", "Supplier list", "Meeting notes", "Budget 2nd draft", "Holiday plan", "Invoice 20817",
    "Price list", "Onboarding checklist", "Delivery dates",
)  # fmt: skip
_Activity = Callable[[WindowsHost, datetime], None]


def _later(at: datetime, host: WindowsHost, low: float, high: float) -> datetime:
    return at + timedelta(milliseconds=round(1000 * host.rng.uniform(low, high)))


def _browse(host: WindowsHost, at: datetime) -> None:
    browser = host.apps.get("chrome")
    if browser is None:
        browser = host.start(at, host.roots["explorer"], _CHROME, folder="C:\\Program Files\\", loads=_USER_LIBRARIES)
        host.apps["chrome"] = browser
    network = host.apps.get("chrome network")
    if network is None:
        arguments = "--type=utility --utility-sub-type=network.mojom.NetworkService --lang=en-US"
        network = host.start(_later(at, host, 0.2, 0.4), browser, _CHROME, arguments, folder="C:\\Program Files\\")
        host.apps["chrome network"] = network
    at = _later(at, host, 0.6, 1.2)
    number = host.rng.randrange(7, 90)
    arguments = f"--type=renderer --lang=en-US --renderer-client-id={number}"
    tab = host.start(at, browser, _CHROME, arguments, integrity="Low", folder="C:\\Program Files\\")
    for _ in range(host.rng.randrange(2, 6)):
        name, address = host.rng.choice(_SITES)
        at = _later(at, host, 0.1, 2)
        host.resolve(at, network, name, address)
        host.connect(_later(at, host, 0.02, 0.2), network, address, 443, name)
        cached = f"Google\\Chrome\\User Data\\Default\\Cache\\f_{host.rng.randrange(16**6):06x}"
        cache = f"{host.profile}\\AppData\\Local\\{cached}"
        host.write(_later(at, host, 0.3, 0.9), network, cache)
    if host.rng.random() < 0.3:
        host.write(_later(at, host, 1, 3), browser, f"{host.profile}\\Downloads\\{host.rng.choice(_DOCUMENTS)}.pdf")
    host.stop(_later(at, host, 5, 40), tab)


def _edit_document(host: WindowsHost, at: datetime) -> None:
    program, kind, key = host.rng.choice((("WINWORD.EXE", "docx", "Word"), ("EXCEL.EXE", "xlsx", "Excel")))
    document = host.rng.choice(_DOCUMENTS)
    folder = f"{host.profile}\\Documents\\"
    libraries = (
        *_USER_LIBRARIES,
        "C:\\Program Files\\Microsoft Office\\root\\vfs\\ProgramFilesCommonX64\\Microsoft Shared\\OFFICE16\\MSO.DLL",
    )
    arguments = f'/n "{folder}{document}.{kind}" /o ""'
    editor = host.start(at, host.roots["explorer"], _OFFICE + program, arguments, folder=folder, loads=libraries)
    host.write(_later(at, host, 0.5, 1), editor, f"{folder}~${document[2:]}.{kind}")
    recent = f"{host.profile}\\AppData\\Roaming\\Microsoft\\Windows\\Recent\\{document}.lnk"
    host.write(_later(at, host, 0.8, 1.5), editor, recent)
    mru = f"HKU\\{host.user.sid}\\SOFTWARE\\Microsoft\\Office\\16.0\\{key}\\File MRU\\Item 1"
    host.set_value(
        _later(at, host, 1, 2), editor, mru, f"[F00000000][T01DB3E51A2C7D310][O00000000]*{folder}{document}.{kind}"
    )
    name, address = "nexus.officeapps.example.com", "198.51.100.200"
    host.resolve(_later(at, host, 1, 2), editor, name, address)
    host.connect(_later(at, host, 2.1, 2.5), editor, address, 443, name)
    if host.rng.random() < 0.4:
        printing = _later(at, host, 10, 20)
        helper = host.start(printing, editor, "C:\\Windows\\splwow64.exe", "12288", folder=folder)
        spool = f"{_SYSTEM32}spool\\PRINTERS\\{host.rng.randrange(100, 999):05d}.SPL"
        host.write(_later(printing, host, 1, 2), host.roots["spooler"], spool)
        host.stop(_later(printing, host, 30, 60), helper)
    for _ in range(host.rng.randrange(1, 3)):
        at = _later(at, host, 15, 30)
        host.write(at, editor, f"{folder}{host.rng.randrange(16**8):08X}.tmp")
    host.stop(_later(at, host, 10, 30), editor)


def _read_mail(host: WindowsHost, at: datetime) -> None:
    mail = host.apps.get("outlook")
    if mail is None:
        program = f"{_OFFICE}OUTLOOK.EXE"
        mail = host.start(at, host.roots["explorer"], program, folder=f"{host.profile}\\", loads=_USER_LIBRARIES)
        host.apps["outlook"] = mail
    at = _later(at, host, 1, 2)
    host.resolve(at, mail, f"mail.{host.domain}", host.server(30))
    host.connect(_later(at, host, 0.1, 0.3), mail, host.server(30), 443, f"mail.{host.domain}")
    ost = f"{host.profile}\\AppData\\Local\\Microsoft\\Outlook\\{host.user.name}@{host.domain}.ost.tmp"
    host.write(_later(at, host, 0.5, 3), mail, ost)
    if host.rng.random() < 0.3:
        folder = f"{host.profile}\\AppData\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\8QK2ZT5N\\"
        attachment = f"{folder}{host.rng.choice(_DOCUMENTS)}.pdf"
        host.write(_later(at, host, 3, 5), mail, attachment)


def _open_program(host: WindowsHost, at: datetime) -> None:
    name = host.rng.choice(("notepad.exe", "calc.exe", "SnippingTool.exe", "mspaint.exe"))
    program = host.start(
        at, host.roots["explorer"], _SYSTEM32 + name, folder=f"{host.profile}\\", loads=_USER_LIBRARIES
    )
    counts = f"HKU\\{host.user.sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Explorer\\UserAssist"
    count = f"{counts}\\{{CEBFF5CD-ACE2-4F4F-9178-9926F41749EA}}\\Count\\{name}"
    host.set_value(_later(at, host, 0.1, 0.3), host.roots["explorer"], count, "Binary Data")
    host.stop(_later(at, host, 15, 60), program)


def _synchronise(host: WindowsHost, at: datetime) -> None:
    image = f"{host.profile}\\AppData\\Local\\Microsoft\\OneDrive\\OneDrive.exe"
    drive = host.apps.get("onedrive")
    if drive is None:
        drive = host.apps["onedrive"] = host.start(at, host.roots["explorer"], image, "/background")
    at = _later(at, host, 0.5, 1)
    host.resolve(at, drive, "storage.example.com", "198.51.100.61")
    host.connect(_later(at, host, 0.05, 0.2), drive, "198.51.100.61", 443, "storage.example.com")
    host.write(_later(at, host, 0.3, 1), drive, f"{host.profile}\\OneDrive\\{host.rng.choice(_DOCUMENTS)}.xlsx")


def _update(host: WindowsHost, at: datetime) -> None:
    updates = host.roots["updates"]
    address = "198.51.100.88"
    host.resolve(at, updates, "update.example.com", address)
    host.connect(_later(at, host, 0.1, 0.4), updates, address, 443, "update.example.com")
    package = f"C:\\Windows\\SoftwareDistribution\\Download\\{host.rng.randrange(16**16):016x}.cab"
    host.write(_later(at, host, 1, 4), updates, package)
    client = host.start(
        _later(at, host, 4, 6),
        updates,
        f"{_SYSTEM32}wuauclt.exe",
        "/UpdateDeploymentProvider UpdateDeploymentProvider.dll /ClassId 1f2c",
    )
    installer = host.start(
        _later(at, host, 7, 8), host.roots["services"], "C:\\Windows\\servicing\\TrustedInstaller.exe",
        command_line="C:\\Windows\\servicing\\TrustedInstaller.exe",
    )  # fmt: skip
    state = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\SessionIdHigh"
    host.set_value(_later(at, host, 9, 11), installer, state, "DWORD (0x01db3e51)")
    host.stop(_later(at, host, 20, 30), client)
    host.stop(_later(at, host, 40, 60), installer)


def _scheduled(host: WindowsHost, at: datetime) -> None:
    schedule, choice = host.roots["schedule"], host.rng.randrange(4)
    if choice == 0:
        image = "C:\\Program Files (x86)\\Google\\Update\\GoogleUpdate.exe"
        task = host.start(at, schedule, image, "/ua /installsource scheduler")
        host.resolve(_later(at, host, 0.5, 1), task, "update.example.net", "198.51.100.89")
        host.connect(_later(at, host, 1.1, 1.3), task, "198.51.100.89", 443, "update.example.net")
    elif choice == 1:
        task = host.start(at, schedule, f"{_SYSTEM32}taskhostw.exe", account=host.user, integrity="Medium")
    elif choice == 2:
        task = host.start(at, schedule, f"{_SYSTEM32}CompatTelRunner.exe", loads=(f"{_SYSTEM32}wer.dll",))
        runs = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\AppCompatFlags\\Appraiser\\RunDate"
        host.set_value(_later(at, host, 0.5, 1), task, runs, "QWORD (0x01db3e51-0xa2c7d310)")
    else:
        arguments = "-Embedding"
        task = host.start(
            at,
            host.roots["dcom"],
            f"{_SYSTEM32}wbem\\WmiPrvSE.exe",
            arguments,
            loads=(f"{_SYSTEM32}wbem\\fastprox.dll",),
        )
        host.access(_later(at, host, 1, 2), task, host.roots["lsass"], "0x1410", f"{_SYSTEM32}wbem\\cimwin32.dll+1c3a2")
    host.stop(_later(at, host, 5, 50), task)


def _background_app(host: WindowsHost, at: datetime) -> None:
    name = host.rng.choice(("backgroundTaskHost.exe", "RuntimeBroker.exe", "smartscreen.exe", "dllhost.exe"))
    program = host.start(at, host.roots["dcom"], _SYSTEM32 + name, "-Embedding", account=host.user, integrity="Medium")
    key = f"HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings\\{host.user.sid}\\{name}"
    host.set_value(_later(at, host, 4, 9), host.roots["schedule"], key, "Binary Data")
    host.stop(_later(at, host, 10, 30), program)


def _scan(host: WindowsHost, at: datetime) -> None:
    defender, explorer = host.roots["defender"], host.roots["explorer"]
    core = defender.image.rsplit("\\", 1)[0] + "\\mpengine.dll+"
    for target, mask in ((host.roots["lsass"], "0x1000"), (explorer, "0x1410"), (host.roots["spooler"], "0x1410")):
        at = _later(at, host, 0.1, 1)
        host.access(at, defender, target, mask, f"{core}{host.rng.randrange(16**5):x}")
    host.write(
        _later(at, host, 1, 2),
        defender,
        f"C:\\ProgramData\\Microsoft\\Windows Defender\\Scans\\History\\{host.rng.randrange(16**8):08X}.bin",
    )


def _service_noise(host: WindowsHost, at: datetime) -> None:
    choice, roots = host.rng.randrange(6), host.roots
    caller = host.rng.choice(_CALLERS)
    if choice == 0:
        host.access(at, roots["winmgmt"], roots["lsass"], "0x1000", caller)
    elif choice == 1:
        host.access(
            at, roots["rpc"], host.rng.choice([roots["explorer"], roots["search"], roots["spooler"]]), "0x1000", caller
        )
    elif choice == 2:
        name = f"dc01.{host.domain}"
        host.resolve(at, roots["dns"], name, host.server(10))
        host.connect(_later(at, host, 0.01, 0.1), roots["lsass"], host.server(10), 88, name)
    elif choice == 3:
        host.set_value(
            at,
            roots["schedule"],
            "HKLM\\System\\CurrentControlSet\\Services\\W32Time\\SecureTimeLimits\\RunTime\\SecureTimeTickCount",
            "QWORD (0x00000000-0x03a1f5c2)",
        )
        host.create_key(
            _later(at, host, 0.01, 0.1),
            roots["schedule"],
            "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree\\Maintenance",
        )
    elif choice == 4:
        host.write(
            at,
            roots["search"],
            f"C:\\ProgramData\\Microsoft\\Search\\Data\\SystemIndex.{host.rng.randrange(1, 60)}.gthr",
        )
    else:
        host.log_on(at, SYSTEM, 5, is_admin=True)
        helper = host.start(
            _later(at, host, 0.1, 0.2),
            roots["services"],
            f"{_SYSTEM32}svchost.exe",
            command_line=f"{_SYSTEM32}svchost.exe -k LocalSystemNetworkRestricted -p",
        )
        host.stop(_later(at, host, 20, 90), helper)


def _inventory(host: WindowsHost, at: datetime) -> None:
    """The management server looks at the endpoint, as it does at every one."""
    account = host.account("svc-inventory")
    host.log_on(at, account, 3, address=host.server(15), is_admin=True)
    for pipe in ("srvsvc", "winreg"):
        at = _later(at, host, 0.1, 0.5)
        host.open_share(at, account, host.server(15), "IPC$", pipe, "0x3")
    host.log_off(_later(at, host, 3, 12), account, 3)


def _log_on_script(host: WindowsHost, at: datetime) -> None:
    command = host.start(
        at, host.roots["explorer"], f"{_SYSTEM32}cmd.exe", f'/c "\\\\{host.domain}\\netlogon\\logon.cmd"'
    )
    at = _later(at, host, 0.1, 0.3)
    for arguments in (
        f"use H: \\\\files.{host.domain}\\home /persistent:no",
        f"use S: \\\\files.{host.domain}\\team /persistent:no",
    ):
        step = host.start(at, command, f"{_SYSTEM32}net.exe", arguments)
        host.connect(_later(at, host, 0.05, 0.2), host.roots["rpc"], host.server(20), 445, f"files.{host.domain}")
        host.stop(at := _later(at, host, 0.3, 0.8), step)
    host.set_value(
        at, host.roots["explorer"], f"HKU\\{host.user.sid}\\Network\\H\\RemotePath", f"\\\\files.{host.domain}\\home"
    )
    host.stop(_later(at, host, 0.1, 0.3), command)


def _shell(host: WindowsHost, at: datetime) -> Process:
    shell = host.apps.get("powershell")
    if shell is None:
        shell = host.start(
            at, host.roots["explorer"], _POWERSHELL, folder=f"{host.profile}\\", integrity="High",
            loads=(*_USER_LIBRARIES, *_CLR),
        )  # fmt: skip
        probe = f"{host.profile}\\AppData\\Local\\Temp\\__PSScriptPolicyTest_{host.rng.randrange(16**8):08x}.ps1"
        host.write(_later(at, host, 0.4, 0.6), shell, probe)
        host.apps["powershell"] = shell
    return shell


def _administer(host: WindowsHost, at: datetime) -> None:
    """Somebody who looks after the machines, with tools that intruders use too."""
    shell = _shell(host, at)
    at = _later(at, host, 1, 3)
    scripts = (
        "Get-Service | Where-Object Status -eq 'Stopped' | Sort-Object Name",
        "Get-EventLog -LogName System -Newest 50 -EntryType Error",
        "Get-Volume | Select-Object DriveLetter, SizeRemaining, Size | Format-Table",
        "Get-ADComputer -Filter * -Properties LastLogonDate | Export-Csv C:\\Reports\\computers.csv",
        "Test-NetConnection -ComputerName files -Port 445",
    )
    host.run_script(at, shell, host.rng.choice(scripts))
    tools = (
        ("ipconfig.exe", "/all"), ("PING.EXE", f"files.{host.domain}"), ("nslookup.exe", f"dc01.{host.domain}"),
        ("whoami.exe", ""), ("gpupdate.exe", "/force"), ("systeminfo.exe", ""), ("schtasks.exe", "/query /fo LIST"),
    )  # fmt: skip
    for name, arguments in host.rng.sample(tools, host.rng.randrange(1, 4)):
        at = _later(at, host, 4, 15)
        tool = host.start(at, shell, _SYSTEM32 + name, arguments, folder=f"{host.profile}\\")
        host.stop(_later(at, host, 0.2, 3), tool)
    if host.rng.random() < 0.3:
        host.write(_later(at, host, 2, 6), shell, "C:\\Reports\\computers.csv")


_OFFICE_WORK: tuple[tuple[_Activity, float], ...] = (
    (_browse, 45), (_edit_document, 120), (_read_mail, 70), (_open_program, 180), (_synchronise, 150),
)  # fmt: skip
_ADMIN_WORK: tuple[tuple[_Activity, float], ...] = (
    (_administer, 75),
    (_browse, 90),
    (_read_mail, 120),
    (_open_program, 240),
)
_BACKGROUND: tuple[tuple[_Activity, float], ...] = (
    (_service_noise, 6), (_background_app, 40), (_scheduled, 80), (_scan, 60), (_update, 400), (_inventory, 300),
)  # fmt: skip


def work(host: WindowsHost, start: datetime, end: datetime, *, is_admin: bool = False, logs_on: bool = False) -> None:
    """Let an endpoint's people and services work.

    Args:
        host: the endpoint.
        start: first time at which something may start.
        end: nothing starts from here on; what has been started may end later.
        is_admin: the user looks after machines.
        logs_on: begin with the user's logon script.
    """
    if logs_on:
        host.log_on(start, host.user, 2, is_admin=is_admin)
        _log_on_script(host, start + timedelta(seconds=3))
    # in order of time, so that programs that stay open are opened before they are used
    due: list[tuple[datetime, int, _Activity]] = []
    for number, (activity, every) in enumerate((*_BACKGROUND, *(_ADMIN_WORK if is_admin else _OFFICE_WORK))):
        at = _later(start, host, 1, every)
        while at < end:
            due.append((at, number, activity))
            at = _later(at, host, every * 0.4, every * 1.6)
    for at, _, activity in sorted(due, key=lambda item: item[:2]):
        activity(host, at)
