"""Looks at every micrograph of a set once, then at the set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.doctor.alike import on_copies, on_effort, on_overlaps
from emgen.doctor.exact import find_copies
from emgen.doctor.findings import Finding, counts, worst_first
from emgen.doctor.jointly import on_the_set
from emgen.doctor.look import Look, look_at
from emgen.doctor.near import Effort, Overlap, Picture, find_overlaps
from emgen.doctor.singly import on_each, on_unopened, on_useless
from emgen.doctor.sources import Source, Unopened
from emgen.errors import DataError
from emgen.stages import Polarity

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found in a set of micrographs.

    Attributes
    ----------
    looks: one for each micrograph, in order. findings: the worst first. overlaps: exact copies among them.
    """

    looks: tuple[Look, ...]
    findings: tuple[Finding, ...]
    overlaps: tuple[Overlap, ...] = ()
    effort: Effort | None = None

    @property
    def counts(self) -> dict[str, int]:
        return counts(self.findings)

    @property
    def attention(self) -> bool:
        """True when there is an error or a warning."""
        return any(found.severity != "note" for found in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {
            "micrographs": [look.to_dict() for look in self.looks],
            "findings": [found.to_dict() for found in self.findings],
            "overlaps": [overlap.to_dict() for overlap in self.overlaps],
            "counts": self.counts,
        }


def examine(
    sources: Sequence[Source],
    unopened: Sequence[Unopened] = (),
    *,
    polarity: Polarity | None = None,
    pixel_size_nm: float | None = None,
    tell: Tell = lambda line: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Examination:
    """Every check of images, whatever one file does. No more than two micrographs are in memory at a time.

    Parameters
    ----------
    polarity: of the modality; ``None`` compares the micrographs with each other.
    pixel_size_nm: of all of them; goes over what the files say.
    """
    looks = []
    for number, source in enumerate(sources, start=1):
        if should_stop():
            break
        looks.append(_look(source, pixel_size_nm))
        tell(f"{number} of {len(sources)}: {source.name}")
    fine = [look for look in looks if look.fine]
    copies = _copies(looks, sources)
    overlaps, effort = _overlaps(looks, copies, should_stop)
    findings = [
        *on_unopened(unopened),
        *on_useless(looks),
        *on_copies(looks, copies),
        *on_overlaps(looks, overlaps),
        *on_each(fine, polarity),
        *on_the_set(fine, polarity),
        *on_effort(effort),
    ]
    return Examination(tuple(looks), tuple(worst_first(findings)), (*copies, *overlaps), effort)


def _look(source: Source, pixel_size_nm: float | None) -> Look:
    try:
        micrograph = source.read()
    except DataError as error:
        colour = "colour" in str(error)
        return Look(source.name, str(source.path), "unusable" if colour else "unreadable", str(error))
    return look_at(micrograph, source.name, str(source.path), pixel_size_nm)


def _copies(looks: Sequence[Look], sources: Sequence[Source]) -> list[Overlap]:
    def read(index: int) -> NDArray[Any]:
        return sources[index].read().image_HW

    prints = {index: look.fingerprint for index, look in enumerate(looks) if look.fine}
    return find_copies(prints, read, [look.shape_HW for look in looks])


def _overlaps(
    looks: Sequence[Look], copies: Sequence[Overlap], should_stop: Callable[[], bool]
) -> tuple[list[Overlap], Effort]:
    """Of those that are not exact copies of an earlier one, so that nothing is told twice."""
    repeated = {copy.second for copy in copies}
    pictures = [
        Picture(index, look.shape_HW, look.thumb_HW.astype(np.float32))
        for index, look in enumerate(looks)
        if look.thumb_HW is not None and index not in repeated
    ]
    return find_overlaps(pictures, should_stop)
