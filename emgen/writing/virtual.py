"""The virtual images of a finished run, and where each of them came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from emgen.artifacts import MANIFEST, ZarrStack
from emgen.engine.pieces import BATCH
from emgen.errors import OutputError
from emgen.fidelity.judge import FAULTS
from emgen.report.run import Missing, RunFolder, Step, stack_of

Which = Literal["first", "second"]
SAME_SCALE = 0.02
"""Pixel sizes at the working scale that differ by less are one."""


def finished_run(source: str | Path) -> RunFolder:
    """The run folder, also where its ``model/`` is named. Raises ``OutputError`` if it is none, or not finished."""
    folder = Path(source)
    for run in (RunFolder(folder), RunFolder(folder.resolve().parent)):
        if "steps" in run.manifest and (run.folder == folder or folder.name == "model"):
            break
    else:
        raise OutputError(
            f"{folder}: no run there ({MANIFEST} of a run is missing). A data set is made from the folder that "
            "`emgen run` wrote; a model alone holds no images."
        )
    status = run.manifest.get("status")
    if status != "complete":
        command = run.manifest.get("command", f"emgen run {run.folder / 'spec.yaml'} --out {run.folder}")
        raise OutputError(f"{run.folder}: the run is not finished (it is {status}). Go on with it first: {command}")
    return run


@dataclass(frozen=True)
class _Gate:
    """The gate after a generation: a row an image that came to it, and whether it handed on stacks of its own."""

    step: Step
    rows: Sequence[Mapping[str, Any]]
    sifts: bool

    @cached_property
    def kept(self) -> list[int]:
        """Of each image that passed, its place among those that came."""
        return [place for place, row in enumerate(self.rows) if row["kept"]]


class VirtualImages:
    """One generation of a run as the model was trained on it: after its gate, each image with its instances.

    ``images`` (N, H, W) float32 in [0, 1] and ``labels`` (N, H, W) int32 are read one by one. Raises ``OutputError``
    where the artifacts are gone.
    """

    def __init__(self, run: RunFolder, which: Which = "second") -> None:
        self.run, self.which = run, which
        try:
            self._open()
        except Missing as missing:
            command = run.manifest.get("command", "emgen run")
            raise OutputError(
                f"{run.folder}: {missing}; it was pruned, or its store was moved. Make it again: {command}"
            ) from missing

    def _open(self) -> None:
        masks, first = self.run.labelled("masks"), self.run.labelled("first_generation")
        self.steps = {"masks": masks, "first_generation": first}
        self.gates = {"first_generation": _gate(self.run, "gate first_generation")}
        images, labels = _through(self.gates["first_generation"], stack_of(first, "image"), stack_of(masks, "label"))
        if self.which == "second":
            second = self.run.labelled("second_generation")
            self.steps["second_generation"] = second
            self.gates["second_generation"] = _gate(self.run, "gate second_generation")
            images, labels = _through(self.gates["second_generation"], stack_of(second, "image"), labels)
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def origin(self, index: int) -> dict[str, Any]:
        """Of one image: for each step its artifact's key, the image's place in it, the seed and the batch of the draw.

        Images are drawn in batches; the generator of each is seeded with the seed and the number of its first image.
        ``…_gate_<verdict>``: particles of each verdict of the gate.
        """
        places = self._places(index)
        found: dict[str, Any] = {}
        for name, step in self.steps.items():
            found |= {
                f"{name}_key": step.artifact.key,
                f"{name}_plugin": step.recipe.get("maker", {}).get("plugin"),
                f"{name}_seed": step.recipe.get("seed"),
                f"{name}_index": places[name],
                f"{name}_batch": places[name] // BATCH * BATCH,
            }
            gate = self.gates.get(name)
            if gate is not None:
                found |= {f"{name}_gate_{key}": value for key, value in _verdict(gate.rows[places[name]]).items()}
        return found

    def _places(self, index: int) -> dict[str, int]:
        """Where the image stands in the artifact of each step."""
        places = {}
        for name in reversed(self.steps):
            gate = self.gates.get(name)
            index = gate.kept[index] if gate is not None and gate.sifts else index
            places[name] = index
        return places

    @cached_property
    def pixel_size_nm(self) -> float | None:
        """Side of a pixel at the working scale, ``None`` where a micrograph has none or they differ."""
        sizes = self.pixel_sizes_nm
        if not sizes or None in sizes:
            return None
        known = np.array(sizes, float)
        middle = float(np.median(known))
        return middle if np.all(np.abs(known / middle - 1) <= SAME_SCALE) else None

    @cached_property
    def pixel_sizes_nm(self) -> list[float | None]:
        """Of each micrograph, at the scale that it was brought to for training."""
        try:
            factors = self.run.document("split", "split.json")["scale"]["factors"]
        except (Missing, KeyError):
            return []
        native = [row.get("pixel_size_nm") for row in self.run.manifest.get("data", {}).get("micrographs", [])]
        return [
            size / factor if size and factor and np.isfinite(factor) else None
            for size, factor in zip(native, factors, strict=False)
        ]


def _gate(run: RunFolder, label: str) -> _Gate | None:
    try:
        step = run.labelled(label)
    except Missing:
        return None  # the gate was off
    try:
        lines = (step.artifact.folder / "fidelity.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise Missing(f"the verdicts of “{label}” cannot be read ({error})") from error
    return _Gate(step, rows, (step.artifact.folder / "image" / "zarr.json").is_file())


def _through(gate: _Gate | None, images: ZarrStack, labels: ZarrStack) -> tuple[ZarrStack, ZarrStack]:
    if gate is None or not gate.sifts:
        return images, labels
    return stack_of(gate.step, "image"), stack_of(gate.step, "label")


def _verdict(row: Mapping[str, Any]) -> dict[str, int]:
    verdicts = list(row["verdicts"].values())
    found = {name: verdicts.count(name) for name in ("sound", *FAULTS, "unknown")}
    return found | {"invented": len(row["invented"])}
