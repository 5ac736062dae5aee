"""Run folders of emgen as layers: micrographs, rough masks, and the virtual images of both generations. No Qt here.

Everything is lazy: a layer reads the image that is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emgen.artifacts import MANIFEST, array_shapes, read_json
from emgen.errors import EmgenError, OutputError
from emgen_napari.layers import LayerData, calibration

GENERATIONS = {"1st generation": "first_generation", "2nd generation": "second_generation"}
MASKS = "masks"
PARTS = ("micrographs", "rough masks", *GENERATIONS)
"""What of a run can be opened, by the names of the layers."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk. ``steps``: label -> folder of the artifact."""

    folder: Path
    manifest: Mapping[str, Any]
    steps: Mapping[str, Path]

    @classmethod
    def open(cls, folder: Path) -> RunFolder:
        """Raises ``OutputError`` where the folder is no run."""
        if not is_run(folder):
            raise OutputError(
                f"{folder}: no run there. Choose the folder that `emgen run` wrote, with {MANIFEST} in it."
            )
        manifest = read_json(folder / MANIFEST)
        return cls(folder, manifest, {step["label"]: folder / step["folder"] for step in manifest["steps"]})

    def describe(self) -> str:
        """A line: the run's name and state, and what its model is."""
        text = f"{self.manifest.get('name', 'run')}, {self.manifest.get('status', 'unknown')}"
        try:
            from emgen.model import read_info

            info = read_info(self.folder)
        except EmgenError:
            return f"{text}; no model yet"
        return f"{text}; model: {info['task']}, {info['modality']}, particles of {info['working_diameter']:g} px"

    def available(self) -> list[str]:
        """Those of ``PARTS`` that the run holds."""
        held = {"micrographs": "micrographs", "rough masks": "rough_segmenter", **GENERATIONS}
        return [part for part in PARTS if held[part] in self.steps]

    def layers(self, parts: Sequence[str] = PARTS) -> list[LayerData]:
        """The layers of these parts, in their order; of a part that the run does not hold, none.

        Raises ``DataError``s where the micrographs are no longer where they were.
        """
        made: list[LayerData] = []
        for part in self.available():
            if part in parts:
                made += self._generation(part) if part in GENERATIONS else self._micrographs(part)
        return made

    def _micrographs(self, part: str) -> list[LayerData]:
        """Micrographs, or their rough masks; those of one size and pixel size are one stack."""
        rows = self.manifest["data"]["micrographs"]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for index, row in enumerate(rows):
            groups.setdefault((*row["shape_HW"], row["pixel_size_nm"]), []).append(index)
        read, kind = (self._pixels(), "image") if part == "micrographs" else (self._rough, "labels")
        made = []
        for (height, width, size), indices in groups.items():
            name = part if len(groups) == 1 else f"{part} {height} x {width}"
            dtype = rows[indices[0]]["native_dtype"] if kind == "image" else "int32"
            data = _lazy(read, indices, (height, width), dtype)
            about = {"run": str(self.folder), "names": [rows[index]["name"] for index in indices]}
            made.append((data, {"name": name, "metadata": {"emgen": about}, **calibration(size, 3)}, kind))
        return made

    def _pixels(self) -> Callable[[int], Any]:
        """Reads a micrograph as its file holds it, by the reader that the run used."""
        from emgen.data.opening import open_file, read_frame
        from emgen.host import load_host
        from emgen.model import reading_host

        host = reading_host(self.folder, load_host())
        opened = [(Path(path), open_file(Path(path), host)) for path in self.manifest["data"]["files"]]
        frames = [(stack, number, path) for path, stack in opened for number in range(len(stack))]
        return lambda index: read_frame(*frames[index]).image_HW

    def _rough(self, index: int) -> Any:
        from emgen.artifacts import open_stack

        return open_stack(self.steps["rough_segmenter"] / f"labels/{index:05d}")[0]

    def _generation(self, part: str) -> list[LayerData]:
        """Images and labels as they were trained on: behind the gate, where it let some through, else before it."""
        label = GENERATIONS[part]
        gate = self.steps.get(f"gate {label}")
        if gate is not None and {"image", "label"} <= set(array_shapes(gate)):
            image, labels = gate / "image", gate / "label"
        else:
            image, labels = _only_array(self.steps[label]), _only_array(self.steps[MASKS])
        about = {"metadata": {"emgen": {"run": str(self.folder)}}, **calibration(None, 3)}
        return [
            (_zarr(image), {"name": part, "contrast_limits": (0.0, 1.0), **about}, "image"),
            (_zarr(labels), {"name": f"labels of the {part}", **about}, "labels"),
        ]


def is_run(folder: Path) -> bool:
    """Whether a folder is one that ``emgen run`` wrote: its manifest lists steps."""
    try:
        manifest = read_json(folder / MANIFEST)
    except OutputError:
        return False
    return isinstance(manifest, dict) and isinstance(manifest.get("steps"), list) and "environment" in manifest


def _only_array(folder: Path) -> Path:
    (name,) = array_shapes(folder)
    return folder / name


def _zarr(folder: Path) -> Any:
    """(N, H, W), an image a chunk."""
    import dask.array
    import zarr

    array = zarr.open_array(folder, mode="r")
    return dask.array.from_array(array, chunks=(1, *array.shape[1:]))


def _lazy(read: Callable[[int], Any], indices: Sequence[int], shape_HW: tuple[int, int], dtype: str) -> Any:
    """(len(indices), H, W); ``read(index)`` is called when an image is looked at."""
    import dask
    import dask.array

    pieces = [dask.array.from_delayed(dask.delayed(read)(index), shape_HW, dtype=dtype) for index in indices]
    return dask.array.stack(pieces)
