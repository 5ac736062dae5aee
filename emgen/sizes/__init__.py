"""Size distributions: weighted statistics, corrections of what a micrograph and a model hide, intervals, fits, figures.

``size_distribution`` takes a table from ``emgen.particles.measure`` and gives the numbers of a paper.
"""

from emgen.sizes.distribution import SizeDistribution, size_distribution
from emgen.sizes.response import Response, read_response
from emgen.sizes.sample import SizeSample, sample_from_table

__all__ = [
    "Response",
    "SizeDistribution",
    "SizeSample",
    "read_response",
    "sample_from_table",
    "size_distribution",
]
