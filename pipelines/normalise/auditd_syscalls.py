"""Names of system calls by number, for audit logs that were not ENRICHED, and what each call does.

Numbers from the kernel's tables (``arch/x86/entry/syscalls``, ``include/uapi/asm-generic/unistd.h``); calls that audit
rules rarely name are left out and keep their number.
"""

__all__ = ["ACTIONS", "ARCHITECTURES", "syscall_numbers"]

ARCHITECTURES = {"c000003e": "x86_64", "40000003": "i386", "c00000b7": "aarch64"}

_X86_64 = """
0 read 1 write 2 open 3 close 9 mmap 10 mprotect 13 rt_sigaction 14 rt_sigprocmask 16 ioctl 41 socket 42 connect 43
accept 44 sendto 45 recvfrom 46 sendmsg 49 bind 50 listen 54 setsockopt 56 clone 57 fork 58 vfork 59 execve 60 exit 62
kill 76 truncate 77 ftruncate 80 chdir 82 rename 83 mkdir 84 rmdir 85 creat 86 link 87 unlink 88 symlink 90 chmod 91
fchmod 92 chown 93 fchown 94 lchown 101 ptrace 105 setuid 106 setgid 113 setreuid 114 setregid 117 setresuid 119
setresgid 122 setfsuid 123 setfsgid 126 capset 132 utime 133 mknod 135 personality 155 pivot_root 157 prctl 159
adjtimex 161 chroot 164 settimeofday 165 mount 166 umount2 169 reboot 170 sethostname 171 setdomainname 174
create_module 175 init_module 176 delete_module 188 setxattr 189 lsetxattr 190 fsetxattr 197 removexattr 198
lremovexattr 199 fremovexattr 200 tkill 227 clock_settime 231 exit_group 234 tgkill 235 utimes 246 kexec_load 257
openat 258 mkdirat 259 mknodat 260 fchownat 261 futimesat 263 unlinkat 264 renameat 265 linkat 266 symlinkat 268
fchmodat 272 unshare 280 utimensat 288 accept4 298 perf_event_open 304 open_by_handle_at 308 setns 310
process_vm_readv 311 process_vm_writev 313 finit_module 316 renameat2 319 memfd_create 320 kexec_file_load 321 bpf 322
execveat 428 open_tree 429 move_mount 430 fsopen 435 clone3 437 openat2 452 fchmodat2
"""
_I386 = """
1 exit 2 fork 5 open 8 creat 9 link 10 unlink 11 execve 14 mknod 15 chmod 21 mount 23 setuid 26 ptrace 30 utime 37 kill 38
rename 39 mkdir 40 rmdir 46 setgid 52 umount2 61 chroot 70 setreuid 71 setregid 83 symlink 92 truncate 94 fchmod 95 fchown 102
socketcall 120 clone 128 init_module 129 delete_module 182 chown 190 vfork 203 setreuid 204 setregid 207 fchown 208 setresuid
210 setresgid 212 chown 213 setuid 214 setgid 226 setxattr 235 removexattr 238 tkill 252 exit_group 270 tgkill 271 utimes 295
openat 296 mkdirat 297 mknodat 298 fchownat 299 futimesat 301 unlinkat 302 renameat 303 linkat 304 symlinkat 306 fchmodat 310
unshare 320 utimensat 346 setns 347 process_vm_readv 348 process_vm_writev 350 finit_module 353 renameat2 356 memfd_create 357
bpf 358 execveat 361 bind 362 connect 363 listen 364 accept4
"""
_AARCH64 = """
5 setxattr 14 removexattr 33 mknodat 34 mkdirat 35 unlinkat 36 symlinkat 37 linkat 38 renameat 39 umount2 40 mount 41
pivot_root 45 truncate 51 chroot 52 fchmod 53 fchmodat 54 fchownat 55 fchown 56 openat 57 close 88 utimensat 93 exit 94
exit_group 97 unshare 105 init_module 106 delete_module 117 ptrace 129 kill 130 tkill 131 tgkill 143 setregid 144 setgid 145
setreuid 146 setuid 147 setresuid 149 setresgid 200 bind 201 listen 202 accept 203 connect 220 clone 221 execve 242 accept4
268 setns 270 process_vm_readv 271 process_vm_writev 273 finit_module 276 renameat2 279 memfd_create 280 bpf 281 execveat
"""

ACTIONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("execve", "execveat"), ("process", "process_created")),
    **dict.fromkeys(("exit", "exit_group"), ("process", "process_ended")),
    **dict.fromkeys(("clone", "clone3", "fork", "vfork"), ("process", "process_forked")),
    **dict.fromkeys(("ptrace", "process_vm_readv"), ("process", "process_accessed")),
    "process_vm_writev": ("process", "process_injected"),
    **dict.fromkeys(("kill", "tkill", "tgkill"), ("process", "process_signalled")),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), ("file", "file_deleted")),
    **dict.fromkeys(("rename", "renameat", "renameat2"), ("file", "file_renamed")),
    **dict.fromkeys(("chmod", "fchmod", "fchmodat", "fchmodat2"), ("file", "permissions_changed")),
    **dict.fromkeys(
        ("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
        ("file", "attributes_changed"),
    ),
    **dict.fromkeys(("chown", "fchown", "lchown", "fchownat"), ("file", "owner_changed")),
    **dict.fromkeys(("link", "linkat", "symlink", "symlinkat"), ("file", "file_linked")),
    **dict.fromkeys(("utime", "utimes", "futimesat", "utimensat"), ("file", "file_time_changed")),
    **dict.fromkeys(("mkdir", "mkdirat", "mknod", "mknodat"), ("file", "file_created")),
    **dict.fromkeys(("creat", "truncate", "ftruncate"), ("file", "file_written")),
    **dict.fromkeys(("connect", "sendto", "sendmsg"), ("network", "connected")),
    **dict.fromkeys(("accept", "accept4"), ("network", "accepted")),
    **dict.fromkeys(("bind", "listen"), ("network", "listened")),
    **dict.fromkeys(("init_module", "finit_module", "create_module"), ("module", "module_loaded")),
    "delete_module": ("module", "module_unloaded"),
    **dict.fromkeys(
        (
            "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "capset",
        ),
        ("syscall", "privilege_changed"),
    ),
}  # fmt: skip
"""Category and action of each call; ``open`` and its kin are told by their flags, any other call is a ``syscall``."""


def syscall_numbers() -> dict[str, str]:
    """Names by ``<architecture>:<number>``."""
    names: dict[str, str] = {}
    for arch, table in (("x86_64", _X86_64), ("i386", _I386), ("aarch64", _AARCH64)):
        words = table.split()
        names |= {f"{arch}:{number}": name for number, name in zip(words[::2], words[1::2], strict=True)}
    return names
