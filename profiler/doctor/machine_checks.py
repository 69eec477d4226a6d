"""The rest of the machine: CPU, compiler, disk, terminal."""

from __future__ import annotations

from profiler.doctor.check import Check, gib
from profiler.doctor.facts import Facts

_GROUP = "This machine"
_LOW_DISK_BYTES = 2**30
_NO_DISK_BYTES = 50 * 2**20  # a long session's file
_NARROWEST = 80


def check_cpu(facts: Facts) -> Check:
    """Which CPU; none is wrong."""
    return Check(_GROUP, "CPU", "ok", f"{facts.cpu}, {facts.cpu_count} usable")


def check_compiler(facts: Facts) -> Check:
    """torch.compile writes C++ for the CPU, and Triton a launcher in C for the GPU."""
    if facts.compiler:
        return Check(_GROUP, "C++ compiler", "ok", facts.compiler)
    finding = "none, so torch.compile cannot build for the CPU"
    return Check(_GROUP, "C++ compiler", "warn", finding, "sudo apt-get install g++")


def check_sessions(facts: Facts) -> Check:
    """Whether a session file can be made."""
    path = facts.sessions.path
    if facts.sessions.writable:
        return Check(_GROUP, "sessions", "ok", f"{path} is writable")
    remedy = "export ATTNPROF_SESSIONS=~/attnprof-sessions"
    return Check(_GROUP, "sessions", "problem", f"{path} cannot be written", remedy)


def check_disk(facts: Facts) -> list[Check]:
    """Space where sessions are saved; nothing to say where the system does not tell."""
    free = facts.sessions.free_bytes
    if free is None:
        return []
    if free >= _LOW_DISK_BYTES:
        return [Check(_GROUP, "disk", "ok", f"{gib(free)} free for sessions")]
    finding = f"only {free / 2**20:.0f} MiB free for sessions"
    return [Check(_GROUP, "disk", "problem" if free < _NO_DISK_BYTES else "warn", finding, "df -h .")]


def check_terminal(facts: Facts) -> Check:
    """What the screen can show; none of it matters to a measurement."""
    terminal = facts.terminal
    if terminal.size is None:
        return Check(_GROUP, "terminal", "ok", "output is not a terminal: plain text")
    columns, lines = terminal.size
    finding = f"{columns} x {lines}, {terminal.colors} colours, {terminal.encoding}"
    if not terminal.encoding.startswith("utf"):
        return Check(_GROUP, "terminal", "warn", f"{finding}: no UTF-8", "export LC_ALL=C.UTF-8")
    if columns < _NARROWEST:
        return Check(
            _GROUP,
            "terminal",
            "warn",
            f"{finding}: tables want {_NARROWEST} columns",
            "make the window wider",
        )
    if terminal.colors in ("16", "256"):
        # Over SSH COLORTERM is not passed on, though nearly every terminal has them all.
        return Check(_GROUP, "terminal", "ok", finding, "export COLORTERM=truecolor   (if it has more)")
    return Check(_GROUP, "terminal", "ok", finding)
