"""Findings on micrographs one by one; those of one kind are told together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from emgen.data.bars import Band
from emgen.doctor.blobs import GAUSSIAN
from emgen.doctor.findings import Finding, Severity, Sureness
from emgen.doctor.look import Look
from emgen.doctor.sources import Unopened
from emgen.stages import Polarity

EMPTY_REACH, EMPTY_EXTREME = 3.5, 7.5
"""Blobs of pure noise reach about 3 standard deviations in their tails, and seldom more than 7 anywhere."""
CLIPPED, MUCH_CLIPPED = 0.002, 0.02
"""Share of the pixels with the extreme value at the particles' end of the range; particles cover some per cent."""
CUT_OFF, MUCH_CUT_OFF = 0.3, 0.7
"""Share of the pixels in flat areas at the background's end: vacuum is often cut off on purpose."""
FEW_LEVELS = 24
"""Fewer grey values than this show as steps."""
LINES = 4.0
"""Rows that vary so many times as much as columns."""


def on_unopened(unopened: Sequence[Unopened]) -> Iterator[Finding]:
    for one in unopened:
        yield Finding(
            check="unreadable",
            severity="error",
            title=f"{one.path.name} cannot be read",
            names=(one.path.name,),
            files=(str(one.path),),
            measured=str(one.error),
            limit="every file opens",
            sureness="certain",
            way_out="Copy the file again, convert it, or leave it out of `images`.",
        )


USELESS = {
    "unreadable": ("cannot be read", "every file opens", "Copy the file again, or leave it out of `images`."),
    "unusable": ("is no greyscale micrograph", "one grey value a pixel", "Export the raw grey micrograph."),
    "not-finite": ("holds NaN or infinite values", "every pixel is a number", "Fill or crop them, or leave it out."),
    "constant": ("shows nothing: all its pixels are equal", "two values at least", "Leave the file out of `images`."),
}


def on_useless(looks: Sequence[Look]) -> Iterator[Finding]:
    """What no run can use; the run refuses such files itself."""
    for look in looks:
        if not look.fine:
            words, limit, way_out = USELESS[look.kind]
            yield Finding(
                check=look.kind,
                severity="error",
                title=f"{look.name} {words}",
                names=(look.name,),
                files=(look.path,),
                measured=look.reason,
                limit=limit,
                sureness="certain",
                way_out=way_out,
            )


def on_each(looks: Sequence[Look], polarity: Polarity | None) -> Iterator[Finding]:
    """Of usable micrographs: empty, clipped, few levels, scan lines, bands and marks."""
    yield from _empty(looks)
    yield from _clipped(looks, polarity)
    yield from _few_levels(looks)
    yield from _lines(looks)
    yield from _bands(looks)
    yield from _marks(looks)


def _empty(looks: Sequence[Look]) -> Iterator[Finding]:
    def reach(look: Look) -> float:
        return look.blobs.reach if look.blobs else 0.0

    def empty(look: Look) -> bool:
        return bool(look.blobs and look.blobs.reach < EMPTY_REACH and look.blobs.extreme < EMPTY_EXTREME)

    yield from _together(
        [look for look in looks if empty(look)],
        reach,
        check="empty",
        severity="warning",
        title="nothing but noise to see",
        unit="standard deviations in the tails of the strongest blobs, at any size",
        limit=f"below {EMPTY_REACH}; noise alone gives {GAUSSIAN} to 3.2",
        sureness="high",
        way_out="Look at it; leave it out of `images` if it shows no specimen.",
    )


def _clipped(looks: Sequence[Look], polarity: Polarity | None) -> Iterator[Finding]:
    """At the end of the range where the particles are it costs them; at the other it costs background only."""
    steps: tuple[tuple[Severity, float, float, bool], ...] = (
        ("warning", MUCH_CLIPPED, 1.0, True),
        ("note", CLIPPED, MUCH_CLIPPED, True),
        ("warning", MUCH_CUT_OFF, 1.0, False),
        ("note", CUT_OFF, MUCH_CUT_OFF, False),
    )
    for severity, least, most, particles in steps:
        share = _share_at_end(polarity, particles)
        yield from _together(
            [look for look in looks if least <= share(look) < most],
            lambda look, share=share: 100 * share(look),  # type: ignore[misc]
            check="saturated" if particles else "background-cut-off",
            severity=severity,
            title="particles clipped at the end of the range"
            if particles
            else "background cut off at the end of the range",
            unit="% of the pixels have the extreme value" if particles else "% of the pixels, in flat areas of it",
            limit=f"from {100 * least:g} %",
            sureness="high" if polarity else "medium",
            way_out="Export with a wider display range, or the raw data of 16 or 32 bits; or leave it out."
            if particles
            else "Fine where it is vacuum; else export with a wider display range.",
        )


def _share_at_end(polarity: Polarity | None, particles: bool) -> Callable[[Look], float]:
    """Single pixels count where particles are, as noise breaks clipped areas up; of the background only flat areas."""

    def share(look: Look) -> float:
        assert look.levels is not None
        bright = polarity == "bright" if polarity else look.blobs is None or look.blobs.asymmetry >= 0
        white, black = (
            (look.levels.white, look.levels.black) if particles else (look.levels.flat_white, look.levels.flat_black)
        )
        return white if bright == particles else black

    return share


def _few_levels(looks: Sequence[Look]) -> Iterator[Finding]:
    yield from _together(
        [look for look in looks if look.levels and look.levels.distinct < FEW_LEVELS],
        lambda look: float(look.levels.distinct if look.levels else 0),
        check="few-levels",
        severity="warning",
        title="few grey levels",
        unit="different values",
        limit=f"below {FEW_LEVELS}",
        sureness="certain",
        way_out="Export the raw data again: a mask, a thresholded or a posterised picture is no micrograph.",
    )


def _lines(looks: Sequence[Look]) -> Iterator[Finding]:
    yield from _together(
        [look for look in looks if look.line_noise >= LINES],
        lambda look: look.line_noise,
        check="scan-lines",
        severity="note",
        title="scan lines differ in brightness",
        unit="times the variation from row to row as from column to column",
        limit=f"from {LINES:g}",
        sureness="medium",
        way_out="Nothing, if all micrographs of the set have it: the generated ones will have it, too.",
    )


def _bands(looks: Sequence[Look]) -> Iterator[Finding]:
    for text in (True, False):
        cut = {look.name: _widest(look, text) for look in looks}
        found = [look for look in looks if cut[look.name]]
        yield from _together(
            found,
            lambda look, cut=cut: float(cut[look.name].width),  # type: ignore[misc]
            check="data-bar" if text else "border",
            severity="warning",
            title="a data bar along an edge" if text else "an empty border along an edge",
            unit=f"pixels high or wide, at the {_edges(looks, text)}",
            limit="a flat band with a straight boundary, 1 % of the side or more",
            sureness="high",
            way_out="Crop it off: a network would learn it, and its letters look like particles. A bar at the bottom "
            "with text on it is cropped when emgen reads the file (emgen info tells).",
            values={look.name: [vars_of(band) for band in look.bands if band.text == text] for look in found},
        )


def _widest(look: Look, text: bool) -> Band | None:
    return max((band for band in look.bands if band.text == text), key=lambda band: band.width, default=None)


def _edges(looks: Sequence[Look], text: bool) -> str:
    return ", ".join(sorted({band.edge for look in looks for band in look.bands if band.text == text})) or "edge"


def vars_of(band: Band) -> dict[str, object]:
    return {"edge": band.edge, "width": band.width}


def _marks(looks: Sequence[Look]) -> Iterator[Finding]:
    for kind, sureness in (("scale bar", "high"), ("lettering", "medium")):
        found = [look for look in looks if any(mark.kind == kind for mark in look.marks)]
        yield from _together(
            found,
            lambda look, kind=kind: float(sum(mark.kind == kind for mark in look.marks)),  # type: ignore[misc]
            check="scale-bar" if kind == "scale bar" else "lettering",
            severity="warning",
            title=f"a burnt-in {kind}" if kind == "scale bar" else "burnt-in lettering",
            unit="found in each",
            limit="a solid slim rectangle at an extreme value"
            if kind == "scale bar"
            else "4 or more letters on a line",
            sureness="high" if sureness == "high" else "medium",
            way_out="Export without annotations, or crop: a network would learn it as a particle.",
            values={look.name: [list(mark.box) for mark in look.marks if mark.kind == kind] for look in found},
        )


def _together(
    found: Sequence[Look],
    value: Callable[[Look], float],
    *,
    check: str,
    severity: Severity,
    title: str,
    unit: str,
    limit: str,
    sureness: Sureness,
    way_out: str,
    values: dict[str, object] | None = None,
) -> Iterator[Finding]:
    """One finding for all the micrographs it is true of, if there are any; the furthest first."""
    ranked = sorted(found, key=value, reverse=True)
    if not ranked:
        return
    numbers = [value(look) for look in ranked]
    low, high = min(numbers), max(numbers)
    yield Finding(
        check=check,
        severity=severity,
        title=title,
        names=tuple(look.name for look in ranked),
        files=tuple(look.path for look in ranked),
        measured=f"{low:.3g} {unit}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g} {unit}",
        limit=limit,
        sureness=sureness,
        way_out=way_out,
        values=values or {look.name: round(number, 5) for look, number in zip(ranked, numbers, strict=True)},
    )
