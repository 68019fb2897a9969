"""`mdash` in a process of its own, within limits that hold whatever it reads.

`run` starts the process; as a program (`python -m dashboard.bounded`) this module lowers its own
limits first and only then becomes `mdash`. Processes that it starts inherit them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

try:
    import resource
except ImportError:  # Windows has no such limits; time alone is bounded there.
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: addresses and one file in bytes, processor and wall time in seconds."""

    memory: int = 6 * 2**30
    file: int = 16 * 2**30
    cpu_s: int = 1800
    wall_s: int = 1800


NICE = 5


def run(
    arguments: Sequence[str], limits: Limits, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `mdash` with these arguments; a negative return code says which signal ended it."""
    numbers = [str(number) for number in astuple(limits)]
    command = [sys.executable, "-m", "dashboard.bounded", *numbers, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", errors="replace", env={**os.environ, **env},
        start_new_session=True,
    ) as child:
        try:
            out, err = child.communicate(timeout=limits.wall_s)
        except BaseException as error:
            _end(child)
            out, err = child.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def _end(child: subprocess.Popen[str]) -> None:
    """End the child and whatever it started."""
    if hasattr(os, "killpg"):
        os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()


def _lower(limits: Limits) -> None:
    if resource is None:
        return
    wanted = {
        resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.file, resource.RLIMIT_CPU: limits.cpu_s,
    }
    for name, value in wanted.items():
        hard = resource.getrlimit(name)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (most, most))
    os.nice(NICE)


def main() -> None:
    """Lower the limits given as the first arguments; the rest are those of `mdash`."""
    count = len(astuple(Limits()))
    _lower(Limits(*(int(text) for text in sys.argv[1 : count + 1])))
    sys.argv = ["mdash", *sys.argv[count + 1 :]]
    from dashboard.cli import main as mdash

    mdash()


if __name__ == "__main__":
    main()
