"""Files that people upload: bounded, one upload at a time, loaded by a child within limits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from filelock import FileLock, Timeout

from dashboard.bounded import Limits, run
from loaders.deeds import ACTOR_VARIABLE
from loaders.errors import RefusedInput, StoreBusy
from loaders.privacy import mask_personal
from loaders.settings import Settings

MOST_FILES = 100
MOST_BYTES = 2 * 2**30
QUEUE_S = 1800
MOST_NAME_BYTES = 150
LIMITS = Limits()


def load_contents(
    settings: Settings, files: Sequence[tuple[str, bytes]], actor: str, language: str
) -> list[dict[str, Any]]:
    """Load uploaded files (name, bytes); returns the reports of `mdash load --json`.

    Raises RefusedInput, StoreBusy.
    """
    check(len(files), sum(len(content) for _, content in files))
    with _turn(settings), _workplace(settings) as folder:
        paths = []
        for number, (name, content) in enumerate(files):
            path = folder / str(number) / stored_name(name)
            path.parent.mkdir()
            path.write_bytes(content)
            paths.append(path)
        return [
            report | {"path": Path(report["path"]).name}
            for report in load_paths(settings, paths, actor, language)
        ]


def stored_name(name: str) -> str:
    """The name that an uploaded file is stored under, whatever a browser sent: short, and one file's."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = mask_personal("".join(sign for sign in last if sign.isprintable()))
    short = plain.encode("utf-8", "ignore")[-MOST_NAME_BYTES:].decode("utf-8", "ignore")
    return short if short.strip(". ") else "file"


def check(count: int, size: int) -> None:
    """Raise RefusedInput for more than an upload may hold."""
    if count > MOST_FILES:
        raise RefusedInput(
            "{count} files were uploaded at once; {most} are taken. Upload them in parts, or use"
            " mdash load on the machine.", count=count, most=MOST_FILES,
        )
    if size > MOST_BYTES:
        raise RefusedInput(
            "The upload has {size} MB; {most} MB are taken. Upload it in parts, or use mdash load on"
            " the machine.", size=size >> 20, most=MOST_BYTES >> 20,
        )


def load_paths(
    settings: Settings, paths: Sequence[Path], actor: str, language: str
) -> list[dict[str, Any]]:
    """Load files in a child within limits. Raises RefusedInput if it does not come to an end."""
    done = run(
        ["--home", str(settings.home), "load", "--json", *(str(path) for path in paths)],
        LIMITS, environment(actor, language),
    )
    try:
        files: list[dict[str, Any]] = json.loads(done.stdout)["files"]
    except (ValueError, KeyError):
        if done.returncode < 0 or "MemoryError" in done.stderr:
            raise RefusedInput(
                "The load was ended: it needed more memory or time than an upload may. Whatever was"
                " stored is whole; load the rest with mdash load on the machine."
            ) from None
        raise RefusedInput("The load did not finish: {why}", why=_last_line(done.stderr)) from None
    return files


def environment(actor: str, language: str) -> dict[str, str]:
    """What a child is told beside its arguments: who acts, and in which language to answer."""
    return {ACTOR_VARIABLE: actor, "MDASH_SHOP__LANGUAGE": language}


def _last_line(text: str) -> str:
    return mask_personal((text.strip().splitlines() or ["?"])[-1][:300])


@contextmanager
def _turn(settings: Settings) -> Iterator[None]:
    """Uploads of a home wait for each other."""
    work = settings.home / "tmp"
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(work / "upload.lock", timeout=QUEUE_S, mode=0o600):
            yield
    except Timeout:
        raise StoreBusy(
            "Other uploads have been loading for {minutes} minutes. Try again later.",
            minutes=QUEUE_S // 60,
        ) from None


@contextmanager
def _workplace(settings: Settings) -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="upload-", dir=settings.home / "tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
