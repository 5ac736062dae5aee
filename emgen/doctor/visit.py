"""The doctor as a command: images and labels from anywhere, every finding on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.data.discover import expand_images
from emgen.data.stack import suffixes_of
from emgen.doctor.ceiling import Ceiling, to_dict
from emgen.doctor.examine import Examination, examine
from emgen.doctor.findings import Finding, counts, worst_first
from emgen.doctor.labels import LabelReport, examine_labels
from emgen.doctor.sources import open_sources
from emgen.registration import ModalityPlugin
from emgen.scores.masks import labels_by_stem
from emgen.stages import Polarity

if TYPE_CHECKING:
    from emgen.host import Host


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a set of micrographs, and with its labels.

    Attributes
    ----------
    examination: of the images. findings: of images and labels, the worst first.
    ceilings: by score, where an image has two labels or more; else empty.
    """

    examination: Examination
    findings: tuple[Finding, ...]
    ceilings: dict[str, Ceiling]

    @property
    def counts(self) -> dict[str, int]:
        return counts(self.findings)

    @property
    def attention(self) -> bool:
        """True when there is an error or a warning."""
        return any(found.severity != "note" for found in self.findings)

    def to_dict(self) -> dict[str, Any]:
        whole = {**self.examination.to_dict(), "findings": [found.to_dict() for found in self.findings]}
        return {**whole, "counts": self.counts, "human_ceiling": to_dict(self.ceilings)}


def visit(
    images: Sequence[str],
    labels: Sequence[Path] = (),
    *,
    host: Host,
    modality: str | None = None,
    pixel_size_nm: float | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Diagnosis:
    """Examines every micrograph that files, folders and globs name, and its labels in each of several folders.

    Raises ``NoImagesError`` where a pattern or folder yields nothing, and ``SpecError`` for an unknown modality.
    """
    polarity = _polarity(host, modality)
    folders = [labels_by_stem(Path(folder), host) for folder in labels]
    sources, unopened = open_sources(expand_images(list(images), suffixes=suffixes_of(host)), host)
    examination = examine(sources, unopened, polarity=polarity, pixel_size_nm=pixel_size_nm, tell=tell)
    report = LabelReport()
    if folders:
        report = examine_labels(sources, examination.looks, examination.overlaps, folders, host)
    findings = worst_first([*examination.findings, *report.findings])
    return Diagnosis(examination, tuple(findings), report.ceilings)


def _polarity(host: Host, modality: str | None) -> Polarity | None:
    if modality is None:
        return None
    plugin = host.find("modality", modality).plugin
    assert isinstance(plugin, ModalityPlugin)
    return plugin.polarity
