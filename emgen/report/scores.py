"""Score tables, each score with its meaning in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emgen.report.run import Missing
from emgen.report.text import number

GENERATIONS = {"first_generation": "1st generation", "second_generation": "2nd generation"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """``better``: lower, higher, or empty where a value alone is neither good nor bad."""

    title: str
    better: str
    words: str


MEANINGS: Mapping[str, Meaning] = {
    "fid": Meaning(
        "FID",
        "lower",
        "Distance between the generated and the real images as a network trained on photographs sees them. 0: equal. "
        "It is too high where images are few, so compare runs with equally many.",
    ),
    "fid_encoder": Meaning(
        "FID, shipped encoder",
        "lower",
        "The same distance as emgen's own segmentation network sees it. 0: equal. Not comparable with published FID.",
    ),
    "mmd2": Meaning(
        "MMD²",
        "lower",
        "Do generated and real images follow one law of texture, noise and contrast? 0: no difference is seen; "
        "it may fall a little below.",
    ),
    "inception_score": Meaning(
        "Inception score", "", "Variety of the generated images in the eyes of a network trained on photographs."
    ),
    "inception_score_real": Meaning(
        "Inception score, real", "", "The same of the real images: what the generated ones should come near to."
    ),
    "ssim": Meaning(
        "SSIM",
        "higher",
        "Likeness in structure of a real image that no network saw and the image generated from its rough mask. 1: "
        "equal. Noise is random, so 1 is out of reach.",
    ),
    "psnr": Meaning("PSNR, dB", "higher", "The same pairs pixel by pixel; noise keeps it low as well."),
    "pixel_accuracy": Meaning(
        "Pixel accuracy", "higher", "Share of pixels called right. Flattering where particles are few."
    ),
    "miou": Meaning("MIoU", "higher", "Overlap of prediction and truth, mean of particle and background. 1: perfect."),
    "iou_particle": Meaning("IoU, particle", "higher", "Overlap of predicted and true particle area."),
    "iou_background": Meaning("IoU, background", "higher", "Overlap of predicted and true background."),
    "dice": Meaning("Dice", "higher", "Overlap of predicted and true particle area, milder than IoU. 1: perfect."),
    "object_f1": Meaning(
        "Object F1", "higher", "Particles found and not invented, counted one by one. 1: all and no other."
    ),
    "object_precision": Meaning("Object precision", "higher", "Share of the predicted particles that are real."),
    "object_recall": Meaning("Object recall", "higher", "Share of the real particles that were found."),
}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    title: str
    better: str
    words: str
    values: tuple[str, ...]
    best: int | None


@dataclass(frozen=True, slots=True)
class ScoreTable:
    columns: tuple[str, ...]
    rows: tuple[ScoreRow, ...]
    features: tuple[str, ...]


def score_table(scores: Mapping[str, Any]) -> ScoreTable:
    """From ``scores[generation][metric][score]``. Raises ``Missing`` where there is none."""
    groups = {str(name): _flat(metrics) for name, metrics in scores.items() if isinstance(metrics, Mapping)}
    names = list(dict.fromkeys(key for values, _ in groups.values() for key in values))
    if not names:
        raise Missing("no scores yet")
    rows = tuple(_row(name, [values.get(name) for values, _ in groups.values()]) for name in names if _shown(name))
    features = tuple(dict.fromkeys(text for _, texts in groups.values() for text in texts))
    return ScoreTable(tuple(GENERATIONS.get(name, name) for name in groups), _with_spread(rows, groups), features)


def headline(scores: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """(title, value, remark) of the score that best tells how far the 2nd generation came, or ``None``."""
    groups = {str(name): _flat(metrics)[0] for name, metrics in scores.items() if isinstance(metrics, Mapping)}
    first, second = groups.get("first_generation", {}), groups.get("second_generation", {})
    for name in ("fid", "fid_encoder", "mmd2"):
        if name in second:
            before = f"1st generation {number(first[name])}" if name in first else "2nd generation"
            return MEANINGS[name].title, number(second[name]), before
    return None


def _flat(metrics: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """Numbers by score, and what the texts say of the features."""
    numbers: dict[str, float] = {}
    texts: list[str] = []
    for metric, result in metrics.items():
        for score, value in result.items() if isinstance(result, Mapping) else ():
            if isinstance(value, str):
                texts.append(f"{metric}: {value}")
            elif isinstance(value, int | float):
                numbers[str(score)] = float(value)
    return numbers, texts


def _shown(name: str) -> bool:
    """A spread stands beside its score, not in a row."""
    return not name.endswith("_sd")


def _row(name: str, values: list[float | None]) -> ScoreRow:
    meaning = MEANINGS.get(name, Meaning(name.replace("_", " "), "", ""))
    known = [(value, index) for index, value in enumerate(values) if value is not None and value == value]
    best = None
    if meaning.better and len({number(value) for value, _ in known}) > 1:  # what reads the same is no difference
        best = (min if meaning.better == "lower" else max)(known)[1]
    return ScoreRow(name, meaning.better, meaning.words, tuple(number(value) for value in values), best)


def _with_spread(
    rows: tuple[ScoreRow, ...], groups: Mapping[str, tuple[dict[str, float], list[str]]]
) -> tuple[ScoreRow, ...]:
    """``0.61 ± 0.04`` where a metric gives the standard deviation over images; titles in words."""
    finished = []
    for row in rows:
        spreads = [values.get(f"{row.title}_sd") for values, _ in groups.values()]
        values = tuple(
            f"{value} ± {number(spread)}" if spread is not None and spread == spread else value
            for value, spread in zip(row.values, spreads, strict=True)
        )
        title = MEANINGS[row.title].title if row.title in MEANINGS else row.title.replace("_", " ")
        finished.append(ScoreRow(title, row.better, row.words, values, row.best))
    return tuple(finished)
