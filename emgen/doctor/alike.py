"""Findings on micrographs that show the same place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emgen.doctor.findings import Finding
from emgen.doctor.look import Look
from emgen.doctor.near import Effort, Overlap
from emgen.doctor.orient import NAMES, ORIENTATIONS

WHOLE = 0.9
"""From this share on, two micrographs are recordings of one field of view."""
SPELT_OUT = 12
"""So many pairs are written out; all are in the values."""


def on_copies(looks: Sequence[Look], copies: Sequence[Overlap]) -> Iterator[Finding]:
    if copies:
        yield _pairs(
            looks,
            copies,
            check="duplicate",
            severity="error",
            title="the same image more than once",
            limit="every pixel equal, in any of the eight flips and rotations",
            sureness="certain",
            way_out="Keep one of each: the others add nothing, count twice, and can put one image on both sides of a "
            "split.",
        )


def on_overlaps(looks: Sequence[Look], overlaps: Sequence[Overlap]) -> Iterator[Finding]:
    """Other recordings of one field of view, and fields of view that overlap."""
    whole = [one for one in overlaps if _is_whole(one, looks[one.first].shape_HW)]
    partly = [one for one in overlaps if one not in whole]
    limit = "correlation of the shared pixels from 0.5, in one orientation that stands out"
    if whole:
        yield _pairs(
            looks,
            whole,
            check="near-duplicate",
            severity="warning",
            title="the same field of view more than once",
            limit=limit,
            sureness="high",
            way_out="Keep the best recording of each, or keep them together: split.by: micrograph does not.",
        )
    if partly:
        yield _pairs(
            looks,
            partly,
            check="overlap",
            severity="warning",
            title="fields of view that overlap",
            limit=f"{limit}; narrower overlaps than a sixth of the image may be missed",
            sureness="high",
            way_out="Leave one of each pair out, or do not count what is held out in one and trained on in the other.",
        )


def _is_whole(overlap: Overlap, first_HW: tuple[int, int]) -> bool:
    """Nearly all of both is shared; a part cut out of a micrograph shares all of itself only."""
    first, second = first_HW[0] * first_HW[1], overlap.shape_second_HW[0] * overlap.shape_second_HW[1]
    sizes = sorted((first, second / overlap.zoom**2))
    return overlap.share * sizes[0] >= WHOLE * sizes[1]


def on_effort(effort: Effort) -> Iterator[Finding]:
    if effort.orientations < ORIENTATIONS:
        yield Finding(
            check="not-compared",
            severity="note",
            title="near duplicates were looked for in one orientation only",
            names=(),
            files=(),
            measured=f"{effort.pairs} pairs",
            limit="too many pairs for all eight; exact duplicates were looked for in all",
            sureness="certain",
            way_out="Examine parts of the set on their own.",
        )


def _pairs(looks: Sequence[Look], pairs: Sequence[Overlap], **what: object) -> Finding:
    involved = sorted({index for pair in pairs for index in (pair.first, pair.second)})
    values = [{**pair.to_dict(), "names": [looks[pair.first].name, looks[pair.second].name]} for pair in pairs]
    lines = [_words(looks, pair) for pair in sorted(pairs, key=lambda one: -one.share)]
    return Finding(
        names=tuple(looks[index].name for index in involved),
        files=tuple(looks[index].path for index in involved),
        measured="; ".join(lines[:SPELT_OUT])
        + (f"; and {len(lines) - SPELT_OUT} more" if len(lines) > SPELT_OUT else ""),
        values={"pairs": values},
        **what,  # type: ignore[arg-type]
    )


def _words(looks: Sequence[Look], pair: Overlap) -> str:
    turned = f" {NAMES[pair.orientation]}" if pair.orientation else ""
    both = f"{looks[pair.first].name} and {looks[pair.second].name}{turned}"
    return both if pair.exact else f"{both} ({100 * pair.share:.0f} % shared, correlation {pair.correlation:.2f})"
