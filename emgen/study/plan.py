"""What a study is going to do: its trials, each with its spec, its micrographs and its place on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.errors import SpecError
from emgen.spec import load_spec
from emgen.spec.merge import merge_trees
from emgen.spec.slots import SLOTS
from emgen.study.material import own_material, write_phantom_material
from emgen.study.settings import StudyFile
from emgen.study.trial import Material, Trial

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.spec import Spec

QUICK_STUDY = {"phantoms": {"micrographs": 6, "unseen": 2, "side": 160}, "snapshots": 2, "counts": [0.5, 1.0]}
"""What ``--quick`` changes in the block ``study``: enough to see the whole way work, too little to learn anything."""
QUICK_SPEC: Mapping[str, Any] = {
    "virtual": {"images": 16},
    "data": {"crops_per_micrograph": 4},
    "split": {"subset1": 0.34},
}
CHECK = "check"
"""The plugins' own preset of a few steps."""


@dataclass(frozen=True)
class Plan:
    """``command`` takes the study up again; ``quick`` makes everything small."""

    study: str
    file: StudyFile
    host: Host
    seeds: Sequence[int]
    out: Path
    command: str
    quick: bool = False

    def material(self, seed: int) -> Material:
        if not self.file.on_phantoms:
            return self._own
        return write_phantom_material(
            self.out / "phantoms" / f"seed-{seed}", self.file.study.phantoms, str(self.file.tree.get("modality")), seed
        )

    @cached_property
    def _own(self) -> Material:
        return own_material(self.file, self.host)

    def spec(self, seed: int, material: Material, changes: Mapping[str, Any] | None = None) -> Spec:
        """The spec of one trial, checked. Raises ``SpecError``."""
        own = merge_trees({"images": list(material.images), "seed": seed}, changes or {})
        spec = self.file.spec(self.host, own)
        if not self.quick:
            return spec
        return load_spec(merge_trees(spec.to_dict(), _quick_changes(spec, self.host)), host=self.host)

    def trial(
        self,
        arm: str,
        seed: int,
        *,
        changes: Mapping[str, Any] | None = None,
        factors: Mapping[str, Any] | None = None,
        optional: bool = False,
        material: Material | None = None,
    ) -> Trial:
        """``changes``: of the spec. ``factors``: what else ``perform`` needs to know of this trial."""
        material = material or self.material(seed)
        factors = dict(factors or {})
        changes = {"metrics": [], **(changes or {})}  # only the ablation scores generated images
        more = [f"{name}-{value}" for name, value in factors.items() if isinstance(value, int | float)]
        return Trial(
            study=self.study,
            arm=arm,
            seed=seed,
            spec=self.spec(seed, material, changes).to_dict(),
            settings=self.file.study.model_dump(mode="json"),
            material=material,
            folder=str((self.out / "trials" / _slug("-".join([arm, *more, f"seed-{seed}"]))).resolve()),
            store=str((self.out / "store").resolve()),
            command=self.command,
            factors=factors,
            optional=optional,
        )

    def need_truth(self, why: str) -> None:
        """Raises ``SpecError`` where nothing says what is right."""
        if self.file.on_phantoms:
            return
        study = self.file.study
        if not study.evaluate or not study.truth:
            raise SpecError(
                f"`emgen study {self.study}` {why}: name the micrographs to score on (study.evaluate, no training "
                "sees them) and the folder of their labels (study.truth), or write `images: phantoms`, for which the "
                "exact truth is known."
            )


def _quick_changes(spec: Spec, host: Host) -> dict[str, Any]:
    """Every stage with its plugin's preset ``check``, on little data."""
    changes: dict[str, Any] = dict(QUICK_SPEC)
    for slot in SLOTS:
        value = getattr(spec, slot)
        plugin: Any = host.find(slot, value.uses).plugin
        changes[slot] = {"uses": value.uses, **plugin.config.presets.get(CHECK, {})}
    return changes


def _slug(text: str) -> str:
    """A folder name that every file system takes.

    >>> _slug("UNet++, n 5-seed-0")
    'UNet++-n-5-seed-0'
    """
    return re.sub(r"[^\w.+-]+", "-", text).strip("-")
