"""Measure this project against upstream's package and against a bare Starlette application, all in turns.

Usage:
  run [--only=<names>] [--repeats=<n>] [--seconds=<s>] [--output=<file>] [<word>...]
  run --guard
  run --list
  run (-h | --help)

Only cases whose name holds one of the words run; without a word all but those of growth.

Options:
  --only=<names>   Contenders, separated by commas [default: upstream,floor,ours]
  --repeats=<n>    How often each case is measured on each [default: 3]
  --seconds=<s>    How long a load goes on [default: 2]
  --output=<file>  Where the figures go as JSON [default: build/bench/latest.json]
  --guard          Fail when a core case costs more than scripts/bench/bounds.toml allows
  --list           Print the names of the cases
  -h, --help       Print this text
"""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docopt import docopt

from scripts.bench import guard, processes
from scripts.bench.case import Case, Turn
from scripts.bench.cases import deploys, requests, starts, streams, waiting
from scripts.bench.contenders import BUILD, CONTENDERS, Contender, Standing
from scripts.bench.report import Result, results_of, save, table

TABLE: tuple[Case, ...] = (*requests.CASES, *streams.CASES, *waiting.CASES, *deploys.CASES, *starts.CASES)
GROWTH: tuple[Case, ...] = (*requests.GROWTH, *streams.GROWTH, *deploys.GROWTH)


def main(arguments: Sequence[str]) -> int:
    given = docopt(__doc__ or "", argv=list(arguments))
    if given["--list"]:
        print("\n".join(case.name for case in (*TABLE, *GROWTH)))
        return 0
    # The servers would outlive a process that just ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    # Before this process is bound to a core itself.
    cores = processes.cores()
    os.sched_setaffinity(0, cores.clients)
    if given["--guard"]:
        return _guard(cores)
    cases = _chosen(given["<word>"])
    contenders = [CONTENDERS[name](cores.server) for name in given["--only"].split(",")]
    began = datetime.now(UTC)
    results = measure(cases, contenders, repeats=int(given["--repeats"]), seconds=float(given["--seconds"]))
    print(table(results))
    save(results, _machine(began), Path(given["--output"]))
    return 1 if any(result.errors for result in results) else 0


def measure(cases: Sequence[Case], contenders: Sequence[Contender], *, repeats: int, seconds: float) -> list[Result]:
    """Measure each case on all contenders in turns: A B C, A B C, and so on."""
    results: list[Result] = []
    with closing(Standing()) as standing:
        for case in cases:
            rows = results_of(case)
            results += rows.values()
            for repeat in range(repeats):
                for contender in contenders:
                    if contender.name in case.contenders:
                        _measure_once(case, Turn(contender, standing, seconds), rows, repeat=repeat)
            print(f"{table(rows.values()).partition(chr(10))[2]}  (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    return results


def _measure_once(case: Case, turn: Turn, rows: dict[str, Result], *, repeat: int) -> None:
    name = turn.contender.name
    try:
        found = case.measure(turn)
    except Exception as error:  # One that cannot do a job must not end the run of the others.
        print(f"{case.name} failed on {name}: {error}", file=sys.stderr)
        for result in rows.values():
            result.errors[name] = str(error)
        return
    for row, value in found.items():
        rows[row].add(name, value, repeat=repeat)


def _guard(cores: processes.Cores) -> int:
    cases = [case for case in TABLE if case.name in guard.bounds()]
    contenders = [CONTENDERS[name](cores.server) for name in guard.CONTENDERS]
    began = datetime.now(UTC)
    results = measure(cases, contenders, repeats=guard.REPEATS, seconds=guard.SECONDS)
    print(table(results))
    save(results, _machine(began), BUILD / "guard.json")
    found = guard.breaches(results)
    print("\n".join(found) or "All within their bounds.")
    return 1 if found else 0


def _chosen(words: Sequence[str]) -> list[Case]:
    if not words:
        return list(TABLE)
    every = (*TABLE, *GROWTH)
    if unknown := [word for word in words if not any(word in case.name for case in every)]:
        sys.exit(f"No case has {' or '.join(map(repr, unknown))} in its name; --list prints them.")
    return [case for case in every if any(word in case.name for word in words)]


def _machine(began: datetime) -> dict[str, Any]:
    return {
        "began": began.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": os.getloadavg(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
