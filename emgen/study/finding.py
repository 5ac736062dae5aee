"""Which particles were found, by diameter and contrast: columns that travel with a trial's outcome, and charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from emgen.artifacts import Artifact
from emgen.report.text import number
from emgen.study.charts import bins_chart
from emgen.study.evaluation import Unseen, read_array
from emgen.study.recall import DetectionLimit, Found, Property, detection_limit, find_matches, quantile_edges, recall_by
from emgen.study.summary import Chart, Section, Table
from emgen.study.trial import Result

BINS = 6
COLUMNS = {
    "diameter": "diameter_K",
    "contrast": "contrast_K",
    "found": "found_K",
    "size": "pred_diameter_K",
    "border": "border_K",
    "image": "image_K",
}
UNITS: Mapping[Property, str] = {"diameter": "equivalent diameter, px", "contrast": "contrast, of the image's range"}


def found_columns(evaluation: Artifact, unseen: Unseen) -> dict[str, list[Any]]:
    """A value for each true particle of the unseen micrographs, rounded: this goes into JSON."""
    count = range(len(unseen))
    predicted = [read_array(evaluation.folder, "label", index) for index in count]
    found = find_matches(predicted, [unseen.truth(i) for i in count], [unseen.image(i) for i in count])
    return {name: _plain(getattr(found, field)) for name, field in COLUMNS.items()}


def found_of(results: Iterable[Result]) -> Found | None:
    """The particles of several seeds together; ``None`` where there are none. Images are numbered on."""
    tables = [row for result in results for row in result.outcome.tables.get("particles", ())]
    if not any(row["found"] for row in tables):
        return None
    offset, columns = 0, []
    for row in tables:
        image = np.array(row["image"], int) + offset
        offset = int(image.max(initial=offset - 1)) + 1
        columns.append([*(_array(row[name]) for name in ("diameter", "contrast")), row["found"], _array(row["size"])])
        columns[-1] += [row["border"], image]
    diameter, contrast, found, size, border, image = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Found(diameter, contrast, found.astype(bool), size, border.astype(bool), image)


def recall_section(arms: Mapping[str, Sequence[Result]], colour: Mapping[str, str]) -> Section:
    """Recall by diameter and by contrast for each arm, on common bins of equal counts, and where it passes one half."""
    found = {arm: own for arm, results in arms.items() if (own := found_of(results)) is not None}
    if not found:
        return Section("Recall by diameter and contrast")
    any_one = next(iter(found.values()))
    charts = []
    for by, unit in UNITS.items():
        if not np.isfinite(any_one.values(by)).any():
            continue
        edges = quantile_edges(any_one.values(by), BINS).tolist()
        bins = {arm: recall_by(own, by, edges) for arm, own in found.items()}
        charts.append(Chart(f"Recall by {by}", bins_chart(bins, unit, colour)))
    text = "Share of true particles that were found (IoU 0.5), all seeds together; bars are 95 % intervals (Wilson)."
    return Section("Recall by diameter and contrast", text, [_limits(found)], charts)


def _limits(found: Mapping[str, Found]) -> Table:
    rows = []
    for arm, own in found.items():
        share = f"{100 * own.found_K.mean():.1f} %"
        rows.append([arm, share, *(_limit_text(detection_limit(own, by)) for by in UNITS), str(len(own))])
    columns = ["", "recall", "half of the particles are found from diameter, px", "from contrast", "true particles"]
    return Table(columns, rows)


def _limit_text(limit: DetectionLimit) -> str:
    if limit.side == "within":
        sure = f" ({number(limit.low)} … {number(limit.high)})" if np.isfinite(limit.low) else ""
        return f"{number(limit.value)}{sure}"
    return {"below": f"below {number(limit.value)}", "above": f"above {number(limit.value)}"}.get(limit.side, "–")


def _plain(values: Any) -> list[Any]:
    if values.dtype.kind == "f":
        return [round(float(value), 4) if np.isfinite(value) else None for value in values]
    kept: list[Any] = values.tolist()
    return kept


def _array(values: Sequence[float | None]) -> Any:
    return np.array([np.nan if value is None else value for value in values], float)
