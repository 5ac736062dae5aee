"""The pictures of the report: each generation beside real micrographs, masks, rough masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from emgen.artifacts import ZarrStack
from emgen.report.pictures import Strip, coloured, grey, outlined, spread
from emgen.report.run import Missing, RunFolder, stack_of

PICTURES = 6
FIRST_GATE = "gate first_generation"


def generations(run: RunFolder) -> list[Strip]:
    """Real crops, then one column a sampled mask: the mask, and both generations painted on it.

    The gate leaves images out between the generations; columns are images that passed it after the first.
    """
    passed, made = _columns(run)
    real = lambda: run.stack("split", "subset2/image")
    masks = lambda: run.stack("masks", "label")
    first = lambda: run.stack("first_generation", "image")
    second = lambda: run.stack("second_generation", "image")
    return [
        _strip("Real micrographs", "crops of subset 2", real),
        _strip("Sampled masks", "what the images below were made from", masks, coloured, made),
        _strip("1st generation", "made by the morphology GAN from the masks above", first, grey, made),
        _strip("2nd generation", "the same after the contrast GAN", second, grey, passed),
        _outlined("2nd generation", "with the outlines of its labels", second, lambda: _labels(run), passed),
    ]


def _columns(run: RunFolder) -> tuple[list[int] | None, list[int] | None]:
    """Places of the images shown: in the 2nd generation, and of the same ones in the 1st. ``None``: any will do."""
    try:
        count = len(run.stack("second_generation", "image"))
    except Missing:
        return None, None
    passed = spread(count, PICTURES)
    kept = _kept(run)
    return passed, [kept[place] for place in passed] if len(kept) == count else passed


def _kept(run: RunFolder) -> list[int]:
    """Places in the 1st generation of the images that its gate let pass; empty where no gate left any out."""
    try:
        step = run.labelled(FIRST_GATE)
        stack_of(step, "image")
        lines = (step.artifact.folder / "fidelity.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return [int(row["image"]) for row in rows if row["kept"]]
    except (Missing, OSError, ValueError, KeyError):
        return []


def _labels(run: RunFolder) -> ZarrStack:
    """The labels of the 2nd generation: the masks, or what the gate after the 1st made of them."""
    try:
        return stack_of(run.labelled(FIRST_GATE), "label")
    except Missing:
        return run.stack("masks", "label")


def rough_masks(run: RunFolder) -> list[Strip]:
    """Crops of subset 1 on which something was found, and the rough instances' outlines on them."""
    split = run.exactly("split")  # of round 1, whatever round is kept
    images, labels = stack_of(split, "subset1/image"), stack_of(split, "subset1/label")
    found = [index for index in spread(len(labels), 40 * PICTURES) if labels[index].any()]
    shown = [found[place] for place in spread(len(found), PICTURES)]
    bare = tuple(grey(images[index]) for index in shown)
    drawn = tuple(outlined(images[index], labels[index]) for index in shown)
    return [
        Strip("Subset 1", "real crops as the networks see them", bare),
        Strip("Rough masks", "outlines of what the rough segmenter found", drawn),
    ]


def held_out(run: RunFolder) -> list[Strip]:
    """Real crops that no network saw, and what both GANs make of their rough masks: what SSIM and PSNR compare."""
    images = lambda: run.stack("split", "held_out/image")
    labels = lambda: run.stack("split", "held_out/label")
    first = lambda: stack_of(run.labelled("held_out_first_generation"), "image")
    second = lambda: stack_of(run.labelled("held_out_second_generation"), "image")
    return [
        _outlined("Held-out crops", "real, seen by no network, with their rough masks", images, labels),
        _strip("1st generation", "painted on those rough masks", first),
        _strip("2nd generation", "the same after the contrast GAN", second),
    ]


Open = Callable[[], ZarrStack]


def _strip(
    title: str, note: str, images: Open, draw: Callable[..., str] = grey, places: Sequence[int] | None = None
) -> Strip:
    return _drawn(title, note, lambda: [images()], draw, places)


def _outlined(title: str, note: str, images: Open, labels: Open, places: Sequence[int] | None = None) -> Strip:
    return _drawn(title, note, lambda: [images(), labels()], outlined, places)


def _drawn(
    title: str,
    note: str,
    stacks: Callable[[], list[ZarrStack]],
    draw: Callable[..., str],
    places: Sequence[int] | None,
) -> Strip:
    """Pictures of the images at some places, else spread evenly; a row that says so where a stack is missing."""
    try:
        opened = stacks()
    except Missing as missing:
        return Strip(title, f"missing: {missing}", ())
    count = min(len(stack) for stack in opened)
    shown = spread(count, PICTURES) if places is None else [place for place in places if place < count]
    return Strip(title, note, tuple(draw(*(stack[index] for stack in opened)) for index in shown))
