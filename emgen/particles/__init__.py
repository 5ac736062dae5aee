"""Particles: instances out of probabilities, measurements, size distributions, matches."""

from emgen.particles.geometry import border_labels, equivalent_diameters, typical_diameter
from emgen.particles.match import Matches, match_objects, pair_ious
from emgen.particles.measure import measure, size_summary
from emgen.particles.split import split_instances
from emgen.particles.write import labels_path, mask_path, write_labels, write_mask

__all__ = [
    "Matches",
    "border_labels",
    "equivalent_diameters",
    "labels_path",
    "mask_path",
    "match_objects",
    "measure",
    "pair_ious",
    "size_summary",
    "split_instances",
    "typical_diameter",
    "write_labels",
    "write_mask",
]
