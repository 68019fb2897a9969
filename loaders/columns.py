"""Arrow columns from Python's values and NumPy's arrays.

`pyarrow.array` and `pyarrow.scalar` import pandas wherever it is installed, which costs every
process that loads a second and 60 MB; what stands here does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def whole_numbers(values: npt.NDArray[np.int64]) -> pa.Array:
    """An int64 column of these numbers."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """A string column; None is null."""
    encoded = [b"" if value is None else value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(
        len(values), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)), *_nulls(values)
    )


def column(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """A column of one of the types a log has; None is null. Raises OverflowError, ValueError."""
    if kind == pa.string():
        return texts(values)  # type: ignore[arg-type]
    if kind == pa.bool_():
        truths = np.array([value is True for value in values], dtype=bool)
        packed = np.packbits(truths, bitorder="little")
    elif kind == pa.date32():
        packed = np.array(values, dtype="datetime64[D]").astype(np.int32)
    elif kind == pa.timestamp("us"):
        packed = np.array(values, dtype="datetime64[us]").astype(np.int64)
    else:
        kept = [0 if value is None else value for value in values]
        packed = np.array(kept, dtype=np.int32 if kind == pa.int32() else np.int64)
    validity, missing = _nulls(values)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(packed)], missing)


def _nulls(values: Sequence[object]) -> tuple[pa.Buffer | None, int]:
    """The validity bitmap and the number of nulls."""
    present = [value is not None for value in values]
    missing = len(present) - sum(present)
    if not missing:
        return None, 0
    return pa.py_buffer(np.packbits(present, bitorder="little")), missing
