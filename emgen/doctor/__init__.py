"""The data doctor: what is wrong with a set of micrographs, before a network learns it.

One file a check. Each micrograph is looked at once, and only a small picture of it is kept; a file that is of no use
is a finding, not an end.
"""

from emgen.doctor.examine import Examination, examine
from emgen.doctor.findings import Finding
from emgen.doctor.sources import Source, open_sources

__all__ = ["Examination", "Finding", "Source", "examine", "open_sources"]
