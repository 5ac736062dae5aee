"""The pictures of the report: each generation beside real micrographs, masks, rough masks."""

from __future__ import annotations

from collections.abc import Callable

from emgen.artifacts import ZarrStack
from emgen.report.pictures import Strip, coloured, grey, outlined, spread
from emgen.report.run import Missing, RunFolder, stack_of

PICTURES = 6


def generations(run: RunFolder) -> list[Strip]:
    """Real crops, then one column a sampled mask: the mask, and both generations painted on it."""
    real = lambda: run.stack("split", "subset2/image")
    masks = lambda: run.stack("masks", "label")
    first = lambda: run.stack("first_generation", "image")
    second = lambda: run.stack("second_generation", "image")
    return [
        _strip("Real micrographs", "crops of subset 2", real),
        _strip("Sampled masks", "the exact labels of the images below", masks, draw=coloured),
        _strip("1st generation", "made by the morphology GAN from the masks above", first),
        _strip("2nd generation", "the same after the contrast GAN", second),
        _outlined("2nd generation", "with the outlines of its masks", second, masks),
    ]


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


def _strip(title: str, note: str, images: Open, draw: Callable[..., str] = grey) -> Strip:
    return _drawn(title, note, lambda: [images()], draw)


def _outlined(title: str, note: str, images: Open, labels: Open) -> Strip:
    return _drawn(title, note, lambda: [images(), labels()], outlined)


def _drawn(title: str, note: str, stacks: Callable[[], list[ZarrStack]], draw: Callable[..., str]) -> Strip:
    """Pictures of images spread evenly over the stacks; a row that says so where a stack is missing."""
    try:
        opened = stacks()
    except Missing as missing:
        return Strip(title, f"missing: {missing}", ())
    indices = spread(min(len(stack) for stack in opened), PICTURES)
    return Strip(title, note, tuple(draw(*(stack[index] for stack in opened)) for index in indices))
