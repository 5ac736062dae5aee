"""What a step leaves on disk: a folder of Zarr arrays, safetensors or JSON, with a manifest that says where it is from.

An artifact is complete when its ``manifest.json`` stands: the manifest is written last. Arrays are Zarr (v3), one image
a chunk, so that reading image *i* reads nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from emgen.errors import OutputError
from emgen.files import swapping
from emgen.stages import Stack

MANIFEST = "manifest.json"


class ZarrStack:
    """A Zarr array as a ``Stack``: ``len``, integer and slice indexing, lazy (Zarr's own array has no ``len``)."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        return dtype

    def __len__(self) -> int:
        return self.shape[0]

    @overload
    def __getitem__(self, index: int, /) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice, /) -> NDArray[Any]: ...
    def __getitem__(self, index: int | slice, /) -> NDArray[Any]:
        return np.asarray(self._array[index])

    def __setitem__(self, index: int | slice, value: NDArray[Any]) -> None:
        self._array[index] = value

    def append(self, value: NDArray[Any]) -> None:
        """Adds (n, H, W) at the end."""
        self._array.append(value)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True)
class Artifact:
    """A complete artifact folder.

    Attributes
    ----------
    folder: where it stands; the path is no part of its identity.
    manifest: kind, slot, key, recipe (what the key is made of), facts, arrays, seed, environment, device, simulated,
        created, seconds.
    """

    folder: Path

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        manifest = read_json(self.folder / MANIFEST)
        if not isinstance(manifest, dict) or "key" not in manifest:
            raise OutputError(f"{self.folder / MANIFEST} is no artifact manifest. Delete the folder; it is made anew.")
        return manifest

    @property
    def key(self) -> str:
        """SHA-256 over everything that decides the contents, as hex."""
        return str(self.manifest["key"])

    @property
    def slot(self) -> str:
        return str(self.manifest["slot"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """What later steps inherit, such as ``working_diameter``."""
        facts: Mapping[str, Any] = self.manifest.get("facts", {})
        return facts

    @property
    def simulated(self) -> bool:
        """True when a weight that was trained on simulated images had a part in it."""
        return bool(self.manifest.get("simulated", False))

    def path(self, name: str) -> Path:
        return self.folder / name

    def stack(self, name: str) -> StackRef:
        return StackRef(self, name)

    def read(self, name: str) -> Any:
        """The contents of the JSON file ``name``."""
        return read_json(self.folder / name)


@dataclass(frozen=True)
class StackRef:
    """A stack of images or labels inside an artifact: what the steps hand to each other."""

    artifact: Artifact
    name: str

    @property
    def key(self) -> str:
        return f"{self.artifact.key}/{self.name}"

    def open(self) -> ZarrStack:
        """(N, H, W), lazily read."""
        return open_stack(self.artifact.folder / self.name)

    def __len__(self) -> int:
        return len(self.open())


def open_stack(folder: Path, *, writable: bool = False) -> ZarrStack:
    import zarr

    return ZarrStack(zarr.open_array(folder, mode="r+" if writable else "r"))


def create_stack(folder: Path, shape: tuple[int, ...], dtype: Any) -> ZarrStack:
    """A new (N, H, W) Zarr array in ``folder``, one image a chunk, compressed. It replaces what stands there."""
    import zarr

    chunks = (1, *(max(1, side) for side in shape[1:]))
    return ZarrStack(zarr.create_array(folder, shape=shape, chunks=chunks, dtype=np.dtype(dtype), overwrite=True))


def write_stack(folder: Path, stack: Stack | NDArray[Any], dtype: Any) -> None:
    """Copies a stack image by image, so that it need not fit into memory."""
    target = create_stack(folder, tuple(stack.shape), dtype)
    for index in range(len(stack)):
        target[index] = np.asarray(stack[index], dtype=dtype)


def read_json(path: Path) -> Any:
    """Raises ``OutputError`` naming a file that is missing or holds no JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot read {path}: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """For ``read_json``: NaN stays NaN. The file appears complete or not at all; it is on the disk when this returns.

    Raises ``OSError``: the run names the step and how to go on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with swapping(path) as partial, partial.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False, allow_nan=True, default=_plain)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | tuple | set | frozenset):
        return list(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def array_shapes(folder: Path) -> dict[str, dict[str, Any]]:
    """Shape and type of every Zarr array below ``folder``, by relative path."""
    found: dict[str, dict[str, Any]] = {}
    for meta in sorted(folder.rglob("zarr.json")):
        document = json.loads(meta.read_text("utf-8"))
        if document.get("node_type") == "array":
            name = meta.parent.relative_to(folder).as_posix()
            found[name] = {"shape": document["shape"], "dtype": document["data_type"]}
    return found
