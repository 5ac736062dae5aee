"""What the steps hand to each other: artifacts with the names of what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emgen.artifacts import Artifact, StackRef, ZarrStack, open_stack

if TYPE_CHECKING:
    from emgen.data import MicrographSet


@dataclass(frozen=True)
class Micrographs:
    """The stack as it was read: ``artifact`` holds hashes and sizes, ``images`` reads pixels on demand.

    ``examination``: what the data doctor found in it, ``None`` where it was not asked.
    """

    artifact: Artifact
    images: MicrographSet
    examination: Artifact | None = None

    @property
    def infos(self) -> list[dict[str, Any]]:
        """Per micrograph: sha256, shape_HW, native_dtype, pixel_size_nm, notes."""
        infos: list[dict[str, Any]] = self.artifact.read("micrographs.json")["micrographs"]
        return infos

    @property
    def notes(self) -> list[str]:
        """What a reader of the report should know of the stack: mixed bit depths, sizes, dropped channels."""
        notes: list[str] = self.artifact.read("micrographs.json")["notes"]
        return notes

    @property
    def names(self) -> list[str]:
        return list(self.images.names)

    @property
    def shapes_HW(self) -> list[tuple[int, int]]:
        return [(info["shape_HW"][0], info["shape_HW"][1]) for info in self.infos]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class RoughLabels:
    """Rough instances of each micrograph, at its own size."""

    artifact: Artifact

    def __getitem__(self, index: int) -> Any:
        """(H, W) int32 of micrograph ``index``."""
        return self.stack(index)[0]

    def stack(self, index: int) -> ZarrStack:
        return open_stack(self.artifact.path(f"labels/{index:05d}"))


@dataclass(frozen=True)
class Generation:
    """Virtual images that pair with their labels one to one: what a GAN stage and the gate after it hand on.

    ``images`` (N, H, W) float32 in [0, 1], ``labels`` (N, H, W) int32 instances. ``fidelity``: rates of the check, of
    all images that came to the gate (``pass_rate``, ``erased``, ..., ``quarantined``); empty where it is off.
    """

    images: StackRef
    labels: StackRef
    fidelity: Mapping[str, float] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Parts:
    """The split, as crops of one size at the working scale."""

    artifact: Artifact

    @property
    def subset1_images(self) -> StackRef:
        return self.artifact.stack("subset1/image")

    @property
    def subset1_labels(self) -> StackRef:
        """Rough instances of ``subset1_images``."""
        return self.artifact.stack("subset1/label")

    @property
    def subset2_images(self) -> StackRef:
        return self.artifact.stack("subset2/image")

    @property
    def held_out_images(self) -> StackRef:
        """Real crops that no network sees; may be empty."""
        return self.artifact.stack("held_out/image")

    @property
    def held_out_labels(self) -> StackRef:
        """Rough instances of ``held_out_images``."""
        return self.artifact.stack("held_out/label")

    def sources(self, subset: str) -> list[int]:
        """For each crop of ``subset1``, ``subset2`` or ``held_out`` the index of its micrograph."""
        sources: list[int] = self.plan["sources"][subset]
        return sources

    @property
    def plan(self) -> dict[str, Any]:
        """Windows of each subset, scale factors, measured diameters."""
        plan: dict[str, Any] = self.artifact.read("split.json")
        return plan
