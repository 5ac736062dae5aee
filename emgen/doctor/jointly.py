"""Findings on the set as a whole: what is mixed in it that should not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from emgen.doctor.findings import Finding, Sureness
from emgen.doctor.look import Look
from emgen.stages import Polarity

DECIDED, CLEAR = 0.1, 0.17
"""Asymmetry of the strongest blobs from which on their sign means something, and from which on it is clear."""
REACH = 4.2
"""Tails must reach so far: the blobs of noise have no polarity."""
PIXELS = 1.02
"""Pixel sizes that differ by less than 2 % are one size."""
COARSER = 4.0
"""Ratio of blob size to the set's median from which on another magnification is likely."""


def on_the_set(looks: Sequence[Look], polarity: Polarity | None) -> Iterator[Finding]:
    """``looks``: usable ones."""
    yield from _pixel_sizes(looks)
    yield from _polarity(looks, polarity)
    yield from _magnification(looks)
    yield from _kinds(looks)


def _pixel_sizes(looks: Sequence[Look]) -> Iterator[Finding]:
    known = {look.name: look.pixel_size_nm for look in looks if look.pixel_size_nm}
    if known and len(known) < len(looks):
        without = [look for look in looks if look.name not in known]
        yield _on(
            without,
            check="pixel-size-missing",
            severity="note",
            title="some files give no pixel size",
            measured=f"{len(without)} of {len(looks)} without one",
            limit="all or none",
            sureness="certain",
            way_out="Their particles are measured in pixels only. If all have one size, give it: data.pixel_size_nm.",
        )
    if len(known) > 1 and max(known.values()) > PIXELS * min(known.values()):
        yield _mixed_sizes(looks, {name: float(size) for name, size in known.items() if size})


def _mixed_sizes(looks: Sequence[Look], known: dict[str, float]) -> Finding:
    sizes = Counter(f"{size:.4g} nm" for size in known.values()).most_common()
    ratio = max(known.values()) / min(known.values())
    return _on(
        [look for look in looks if look.name in known],
        check="mixed-pixel-sizes",
        severity="warning" if ratio > 1.5 else "note",
        title="mixed pixel sizes",
        measured=f"{', '.join(f'{count} at {size}' for size, count in sizes[:4])}; up to {ratio:.3g} times",
        limit=f"a ratio of {PIXELS:g}; 1.5 for a warning",
        sureness="certain",
        way_out="Train one magnification at a time, or leave data.scale at per-micrograph, which resizes each by its "
        "own particles.",
        values=known,
    )


def _polarity(looks: Sequence[Look], polarity: Polarity | None) -> Iterator[Finding]:
    """Against the modality where one is given, else against the majority."""
    signs = {look.name: sign_of(look) for look in looks}
    decided = [sign for sign in signs.values() if sign]
    if not decided:
        return
    wanted = {"bright": 1, "dark": -1}[polarity] if polarity else (1 if sum(decided) >= 0 else -1)
    odd = [look for look in looks if signs[look.name] == -wanted]
    if not odd or (polarity is None and len(odd) == len(decided)):
        return
    own, other = ("dark", "bright") if wanted > 0 else ("bright", "dark")
    against = f"the modality says {polarity}" if polarity else f"{len(decided) - len(odd)} others show {other} ones"
    yield _on(
        odd,
        check="mixed-polarity",
        severity="warning",
        title=f"{own} particles where {against}",
        measured=f"asymmetry of the strongest blobs {_range([_asymmetry(look) for look in odd])} "
        "(-1: only dark, 1: only bright)",
        limit=f"{DECIDED:g} either way; {len(looks) - len(decided)} of {len(looks)} undecided",
        sureness=_sureness(odd, len(odd), len(decided)),
        way_out="Look at them. Leave them out of `images`, or run each modality alone.",
        values={look.name: round(_asymmetry(look), 3) for look in odd},
    )


def sign_of(look: Look) -> int:
    """1: the strongest blobs are bright, -1: dark, 0: they do not tell."""
    if look.blobs is None or look.blobs.reach < REACH or abs(look.blobs.asymmetry) < DECIDED:
        return 0
    return 1 if look.blobs.asymmetry > 0 else -1


def _asymmetry(look: Look) -> float:
    return look.blobs.asymmetry if look.blobs else 0.0


def _sureness(odd: Sequence[Look], n_odd: int, n_decided: int) -> Sureness:
    if all(abs(_asymmetry(look)) >= CLEAR for look in odd) and n_odd <= n_decided / 2:
        return "high"
    return "medium" if any(abs(_asymmetry(look)) >= CLEAR for look in odd) else "low"


def _magnification(looks: Sequence[Look]) -> Iterator[Finding]:
    """By the size of the strongest blobs, as most files give no pixel size."""
    sizes = {look.name: look.blobs.size for look in looks if look.blobs and look.blobs.reach >= REACH}
    if len(sizes) < 3:
        return
    middle = float(np.median(list(sizes.values())))
    odd = [look for look in looks if max(ratio := sizes.get(look.name, middle) / middle, 1 / ratio) >= COARSER]
    if odd:
        yield _on(
            odd,
            check="mixed-magnification",
            severity="note",
            title="structure much finer or coarser than in the others",
            measured=f"strongest blobs {_range([sizes[look.name] for look in odd])} px wide, median {middle:.3g}",
            limit=f"{COARSER:g} times the median",
            sureness="low",
            way_out="Another magnification or another specimen? data.scale: per-micrograph resizes each by its own "
            "particles; `stack` and `native` do not.",
            values={look.name: round(sizes[look.name], 2) for look in odd},
        )


def _kinds(looks: Sequence[Look]) -> Iterator[Finding]:
    for check, title, values in (
        ("mixed-depth", "mixed bit depths", [look.dtype for look in looks]),
        ("mixed-size", "mixed image sizes", [f"{look.shape_HW[1]} x {look.shape_HW[0]}" for look in looks]),
    ):
        counted = Counter(values).most_common()
        if len(counted) > 1:
            rare = [look for look, value in zip(looks, values, strict=True) if value != counted[0][0]]
            yield _on(
                rare,
                check=check,
                severity="note",
                title=title,
                measured=", ".join(f"{count} of {value}" for value, count in counted[:5]),
                limit="one value",
                sureness="certain",
                way_out="No harm in itself: each micrograph is normalised on its own. It may show that the set comes "
                "from several sources.",
            )


def _on(looks: Sequence[Look], **what: object) -> Finding:
    return Finding(names=tuple(look.name for look in looks), files=tuple(look.path for look in looks), **what)  # type: ignore[arg-type]


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"
