"""What is simulated: specimen, microscope, pace, files and faults."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from emgen.copilot.simulator.faults import FAULTS, FaultKind
from emgen.errors import SpecError, did_you_mean, listing
from emgen.testing.phantoms.settings import Modality, PhantomSettings, draw_stack_settings

SMALLEST_PX, DENSEST = 6.0, 0.4
"""A particle of fewer px across has no shape to draw; above this share of the area there is no free place for more."""
DEFAULT_PX = 28.0
DOSE_RANGE = (0.05, 4.0)
"""A dose ramp ends at these multiples of the first dose."""


class Simulation(BaseModel):
    """One specimen under one microscope; frames are numbered from 1.

    Attributes
    ----------
    seed: draws everything. size_px: a side, or (H, W). frames: how many; ``None`` without end.
    interval_s: from one frame to the next; 0 as fast as they can be drawn.
    modality: ``haadf-stem`` (bright particles) or ``bf-tem`` (dark ones).

    particles: in the field of view at the start, on average. diameter_px or diameter_nm: their median, 28 px unless
        given; spread: standard deviation of its logarithm. pixel_size_nm: ``None`` for files that don't state it.
    growth: px by which each diameter grows a frame, until the median is ``grown`` times what it was.
    coalescences: pairs a frame, over the specimen, that set out to become one; ripening: as in ``SeriesSettings``;
        turnover: particles a frame that appear, and as many that vanish. Growth, coalescence and ripening rest once
        half of the particles are left, so that a run may go on without end.
    drift: px that the stage drifts a frame; wander: standard deviation of its change. At a quarter of the field away
        from where it began it turns back.

    defocus: px of further blur (standard deviation) a frame, up to ``defocus_most``.
    dose: counts at the support's mean brightness, drawn by the seed unless given; dose_ramp: its factor from frame to
        frame, within 1/20 and 4 times the first.
    look: fields of ``PhantomSettings``.
    change_at: number of the first frame of another domain: ``change_modality`` of the same specimen, ``change_look`` on
        top of the look (of another modality: instead of it).

    stem, suffix: ``<stem>_000001.tif``, or ``.mrc`` (always uint16). dtype: uint16 holds counts of a detector with a
        fixed gain; uint8 display levels, as a microscope's software exports pictures.
    atomic: a file is there when it is whole. Else it is written under its own name as acquisition software does, in
        pieces over ``write_s`` (at most a quarter of the interval).
    labels, diameters: write ``<stem>_000001_labels.tif``, write ``truth_particles.csv``.
    low_priority: run at nice 10 where there is such a thing, since a microscope's computer is another machine.

    faults: share of the frames that meet one of ``fault_kinds`` (see ``FAULTS``). pause_s: until a half-written file
        goes on, a file is renamed or comes again; kept_s: until a file is deleted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0)
    size_px: int | tuple[int, int] = 2048
    frames: int | None = Field(100, ge=1)
    interval_s: float = Field(2.0, ge=0, allow_inf_nan=False)
    modality: Modality = "haadf-stem"

    particles: int = Field(600, ge=1, le=20_000)
    diameter_px: float | None = Field(None, gt=0, allow_inf_nan=False)
    diameter_nm: float | None = Field(None, gt=0, allow_inf_nan=False)
    spread: float = Field(0.25, ge=0, le=0.6)
    pixel_size_nm: float | None = Field(0.2, gt=0, lt=1e3)
    growth: float = Field(0.0, ge=0, le=2)
    grown: float = Field(2.0, ge=1, le=10)
    coalescences: float = Field(0.0, ge=0, le=100)
    ripening: float = Field(0.0, ge=0, le=1)
    turnover: float = Field(0.0, ge=0, le=100)
    drift: float = Field(1.0, ge=0, allow_inf_nan=False)
    wander: float = Field(0.3, ge=0, allow_inf_nan=False)

    defocus: float = Field(0.0, ge=0, allow_inf_nan=False)
    defocus_most: float = Field(6.0, ge=0, le=50)
    dose: float | None = Field(None, gt=0, le=1e6)
    dose_ramp: float = Field(1.0, gt=0, le=2)
    look: dict[str, Any] = Field(default_factory=dict)
    change_at: int | None = Field(None, ge=1)
    change_modality: Modality | None = None
    change_look: dict[str, Any] = Field(default_factory=dict)

    stem: str = Field("frame", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    suffix: Literal[".tif", ".mrc"] = ".tif"
    dtype: Literal["uint16", "uint8"] = "uint16"
    atomic: bool = False
    write_s: float = Field(0.05, ge=0, le=60)
    labels: bool = True
    diameters: bool = True
    low_priority: bool = True

    faults: float = Field(0.0, ge=0, le=1)
    fault_kinds: tuple[FaultKind, ...] = FAULTS
    pause_s: float = Field(1.0, ge=0, le=3600)
    kept_s: float = Field(2.0, ge=0, le=3600)

    @property
    def shape_HW(self) -> tuple[int, int]:
        return (self.size_px, self.size_px) if isinstance(self.size_px, int) else self.size_px

    @property
    def diameter(self) -> float:
        """Median at the start, px."""
        if self.diameter_nm is not None and self.pixel_size_nm:
            return self.diameter_nm / self.pixel_size_nm
        return self.diameter_px or DEFAULT_PX

    def look_of(self, index: int) -> PhantomSettings:
        """How the microscope sees the index-th frame (from 0), without the defocus and dose of that frame."""
        changed = self.change_at is not None and index + 1 >= self.change_at
        modality = (self.change_modality if changed else None) or self.modality
        kept = self.look if modality == self.modality else {}
        given = {**kept, **(self.change_look if changed else {})}
        fixed = {"texture": 0.0, "support": "film", **({"dose": self.dose} if self.dose else {}), **given}
        return draw_stack_settings(np.random.default_rng([self.seed, 6]), modality, diameter=self.diameter, **fixed)

    @field_validator("size_px")
    @classmethod
    def _size(cls, size: int | tuple[int, int]) -> int | tuple[int, int]:
        if not all(32 <= side <= 16_384 for side in ([size] if isinstance(size, int) else size)):
            raise ValueError("between 32 and 16384 px a side")
        return size

    @field_validator("look", "change_look")
    @classmethod
    def _look(cls, look: dict[str, Any]) -> dict[str, Any]:
        if "diameter" in look or "modality" in look:
            raise ValueError("diameter and modality are settings of the simulation, no fields of a look")
        return look

    @model_validator(mode="after")
    def _fits(self) -> Simulation:
        if self.diameter_nm is not None and self.diameter_px is not None:
            raise ValueError("diameter_nm and diameter_px: give one of them")
        if self.diameter_nm is not None and self.pixel_size_nm is None:
            raise ValueError("diameter_nm needs pixel_size_nm")
        if not SMALLEST_PX <= self.diameter <= min(self.shape_HW) / 2:
            raise ValueError(f"the diameter is {self.diameter:.3g} px; between 6 px and half the image is possible")
        if self.particles * self.diameter**2 * np.pi / 4 > DENSEST * np.prod(self.shape_HW):
            raise ValueError("particles: so many of this diameter cover more than 40 % of the image; ask for fewer")
        if self.change_at is None and (self.change_modality or self.change_look):
            raise ValueError("change_at is missing: the number of the first frame that looks different")
        if self.change_at is not None and not (self.change_modality or self.change_look):
            raise ValueError("change_at needs change_modality or change_look")
        if self.faults and not self.fault_kinds:
            raise ValueError("fault_kinds: name at least one, or leave faults at 0")
        for index in {0, (self.change_at or 1) - 1}:
            self.look_of(index)
        return self


def simulation(**settings: Any) -> Simulation:
    """A ``Simulation`` of values that a user gave. Raises ``SpecError`` that names the field and what it may be."""
    try:
        return Simulation(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        known = Simulation.model_fields
        hint = f"{did_you_mean(field, known)} Settings: {listing(known)}." if field.split(".")[0] not in known else ""
        hint = hint if field else ""
        reason = first["msg"].removeprefix("Value error, ")
        raise SpecError(f"simulation{'.' if field else ''}{field}: {reason}.{hint}") from error
