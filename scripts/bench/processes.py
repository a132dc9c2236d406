"""What the kernel knows of a process and its children: time on the processor, memory; and on which core they run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

# CPUCLOCK_SCHED of the kernel's posix-timers: time on the processor in nanoseconds, of all threads that a process has
# or had. /proc/PID/stat counts in steps of 10 ms, /proc/PID/schedstat the main thread alone.
_SCHED = 2


def family(pid: int) -> list[int]:
    """Return a process and all that it has started, and these."""
    found = [pid]
    for process in found:
        found += _children(process)
    return found


def cpu_seconds(pid: int) -> float:
    """Return how long a process and its children were on a processor, in user and in kernel mode."""
    return sum(_cpu_seconds(process) for process in family(pid))


def memory(pid: int) -> float:
    """Return the megabytes of memory that a process and its children hold, what they share counted for each."""
    return sum(_resident_pages(process) for process in family(pid)) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Cores(NamedTuple):
    """Where a server and its clients run."""

    server: set[int]
    clients: set[int]


def cores() -> Cores:
    """Return one core for a server, and another one for its clients where this process may use two."""
    available = sorted(os.sched_getaffinity(0))
    return Cores({available[0]}, {available[-1]})


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue  # The thread has ended.
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _SCHED)
    except OSError:
        return 0.0  # The process has ended.


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
