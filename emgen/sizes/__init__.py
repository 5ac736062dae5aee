"""Size distributions: weighted statistics, corrections of what a micrograph and a model hide, intervals, fits, figures.

``size_distribution`` takes a table from ``emgen.particles.measure`` and gives the numbers of a paper.
"""

from emgen.sizes.distribution import SizeDistribution, size_distribution
from emgen.sizes.response import Response, read_response, response_of
from emgen.sizes.sample import SizeSample, sample_from_table
from emgen.sizes.write import in_words, write_sizes

__all__ = [
    "Response",
    "SizeDistribution",
    "SizeSample",
    "in_words",
    "read_response",
    "response_of",
    "sample_from_table",
    "size_distribution",
    "write_sizes",
]
