"""Results on disk: names that stay in their folder, files that are whole or not there, JSON without NaN."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from emgen.errors import OutputError


def result_path(folder: Path, name: str, ending: str) -> Path:
    """``<folder>/<name><ending>``, surely inside ``folder``.

    Names come out of files (a data set in an HDF5 file may be called ``../x``), so nothing in them may lead elsewhere.

    >>> result_path(Path("out"), "area-3", "_mask.tif").as_posix()
    'out/area-3_mask.tif'

    Raises ``OutputError`` for a name that is empty, ``.`` or ``..``, or holds a separator or a control character.
    """
    if name in ("", ".", "..") or any(c in "/\\" or ord(c) < 32 for c in name):
        raise OutputError(
            f"{name!r} cannot name a result: it is empty, or holds a path separator, `..` or a control character. "
            "Rename the file, or the data set inside it."
        )
    return folder / f"{name}{ending}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write under another name, so that nobody meets half of one; at the end it takes the place of ``path``.

    Raises ``OutputError`` naming ``path`` where the disk refuses; what stood there before is then still there.
    """
    try:
        with swapping(path) as partial:
            yield partial
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error}). Free some space or choose another folder.") from error


@contextmanager
def swapping(path: Path) -> Iterator[Path]:
    """As ``replacing``, but what the disk says is left as it is, for those who tell it in their own words."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


def write_text(path: Path, text: str) -> Path:
    """UTF-8. Raises ``OutputError``."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json_file(path: Path, document: dict[str, Any]) -> Path:
    """For others to read: JSON has no NaN, so it becomes null. Raises ``OutputError``."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(json.JSONEncoder(indent=1, allow_nan=False).iterencode(finite(document)))
        file.write("\n")
    return path


def make_folder(folder: Path) -> None:
    """Raises ``OutputError`` where results cannot be written there: before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / ".emgen-writes-here"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: results cannot be written there ({error}). Choose another folder.") from error


def finite(value: Any) -> Any:
    """The same with every NaN and infinity as ``None``."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
