"""Files as they come: archives opened within bounds, and a sample of each content."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from loaders.channels.protocol import Sample
from loaders.errors import RefusedInput

SAMPLE_BYTES = 65_536
MAX_MEMBERS = 1_000
MAX_UNPACKED_BYTES = 32 * 2**30
MAX_RATIO = 200
_RATIO_FREE_BYTES = 16 * 2**20
_BLOCK = 2**20
_GZIP_HAS_EXTRA, _GZIP_HAS_NAME = 4, 8
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_NESTED = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf\x27\x1c", b"BZh")


@dataclass(frozen=True, slots=True)
class Content:
    """One file's bytes on disk, unpacked if they came in an archive."""

    path: Path
    name: str
    size: int

    def sample(self) -> Sample:
        """The beginning and end of the content."""
        with self.path.open("rb") as file:
            head = file.read(SAMPLE_BYTES)
            file.seek(max(0, self.size - SAMPLE_BYTES))
            tail = file.read(SAMPLE_BYTES)
        return Sample(self.name, head, tail, self.size)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return digest_of(path, "sha256")


def digest_of(path: Path, kind: str) -> str:
    """Hex digest of a file, of the kind that a channel uses."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


@contextmanager
def contents(path: Path, work: Path) -> Iterator[list[Content]]:
    """The contents of a file: itself, or what its archive holds, unpacked below `work`.

    Raises RefusedInput for archives that are damaged, encrypted, nested, escaping or bombs.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise RefusedInput("The file is empty. Download it again.")
    if magic == _ZIP or magic[:2] == _GZIP:
        unpack = _unzip if magic == _ZIP else _gunzip
        with TemporaryDirectory(dir=work, prefix="unpacked-") as folder:
            yield _guarded(unpack, path, Path(folder))
    elif magic.startswith(b"PK"):
        raise RefusedInput("The archive is empty or damaged. Download it again.")
    else:
        yield [Content(path, path.name, path.stat().st_size)]


def _guarded(
    unpack: Callable[[Path, Path], list[Content]], path: Path, folder: Path
) -> list[Content]:
    try:
        return unpack(path, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError,
            UnicodeError, ValueError) as error:
        raise RefusedInput(
            "The archive is damaged or cut off. Download it again."
        ) from error


def _unzip(path: Path, folder: Path) -> list[Content]:
    found = []
    with zipfile.ZipFile(path, metadata_encoding="gb18030") as archive:
        members = [item for item in archive.infolist() if not item.is_dir()]
        _check_members(members)
        budget = _Budget(path.stat().st_size)
        for number, member in enumerate(members):
            target = folder / str(number)
            with archive.open(member) as source, target.open("wb") as sink:
                while block := source.read(_BLOCK):
                    budget.spend(len(block))
                    sink.write(block)
            _refuse_nested(target)
            name = PurePosixPath(member.filename).name
            found.append(Content(target, name, target.stat().st_size))
    return found


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = {member.filename for member in members}
    if {"[Content_Types].xml"} & names or any(name.startswith("xl/") for name in names):
        raise RefusedInput(
            "This is an Excel workbook. Download the bill as CSV and load the file as it is."
        )
    if not members:
        raise RefusedInput("The archive holds no file. Download it again.")
    if len(members) > MAX_MEMBERS:
        raise RefusedInput("The archive holds more than {count} files.", count=MAX_MEMBERS)
    for member in members:
        if member.flag_bits & 0x1:
            raise RefusedInput(
                "The archive is encrypted, as personal statements are. Merchant bills are not:"
                " download 业务明细 or 账务明细 from b.alipay.com → 对账中心."
            )
        pure = PurePosixPath(member.filename.replace("\\", "/"))
        if pure.is_absolute() or ".." in pure.parts or ":" in member.filename:
            raise RefusedInput(
                "The archive names a path outside itself; a channel never sends such a file."
            )


def _refuse_nested(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(6).startswith(_NESTED):
            raise RefusedInput("The archive holds another archive. Unpack it and load the inner.")


def _gunzip(path: Path, folder: Path) -> list[Content]:
    target = folder / "0"
    budget = _Budget(path.stat().st_size)
    with gzip.open(path) as source, target.open("wb") as sink:
        while block := source.read(_BLOCK):
            budget.spend(len(block))
            sink.write(block)
    _refuse_nested(target)
    name = _packed_name(path) or path.name.removesuffix(".gz")
    return [Content(target, name, target.stat().st_size)]


def _packed_name(path: Path) -> str | None:
    """The name that a gzip file had before it was packed, if it tells."""
    with path.open("rb") as file:
        head = file.read(512)
    flags = head[3]
    if not flags & _GZIP_HAS_NAME or flags & _GZIP_HAS_EXTRA:
        return None
    name, end, _ = head[10:].partition(b"\0")
    return PurePosixPath(name.decode("latin-1")).name if end else None


class _Budget:
    """How much an archive may unpack to, before it counts as a bomb."""

    def __init__(self, packed: int) -> None:
        self.left = min(MAX_UNPACKED_BYTES, max(_RATIO_FREE_BYTES, packed * MAX_RATIO))

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise RefusedInput(
                "The archive unpacks to far more than a bill would (a zip bomb). It was not read."
            )


