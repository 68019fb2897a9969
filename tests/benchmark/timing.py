"""What every section of the benchmark does: time, run `mdash`, tell."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROWS = int(os.environ.get("BENCH_ROWS", "2000000"))


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cpu(work: Callable[[], object]) -> float:
    """Seconds of processors that `work` takes, in this process and in those it starts and ends."""
    start = _used()
    work()
    return _used() - start


def _used() -> float:
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def told(what: str, ratio: float, wanted: str, detail: str) -> None:
    """One line of the report."""
    print(f"{what:<52} {ratio:8.2f}   wanted {wanted:<8} ({detail})", flush=True)


def mdash(home: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and peak MiB of a command in a process of its own."""
    code = (
        "import resource, sys; from dashboard.cli import commands\n"
        "try: commands(sys.argv[1:], standalone_mode=True)\n"
        "except SystemExit as end: code = end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        "sys.exit(code)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, "--home", str(home), *arguments],
        capture_output=True, text=True, check=False,
    )
    spent = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    return spent, int(done.stderr.split()[-1]) / 1024
