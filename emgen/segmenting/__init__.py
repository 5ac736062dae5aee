"""``emgen segment``: from image files to masks, labels, a table of particles and a summary, here or on a cluster."""

from emgen.segmenting.bench import Settings
from emgen.segmenting.files import segment_files
from emgen.segmenting.result import Segmented
from emgen.segmenting.teams import here, on_cluster

__all__ = ["Segmented", "Settings", "here", "on_cluster", "segment_files"]
