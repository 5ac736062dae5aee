"""The formats of RosettaSciIO that hold micrographs. A table, so that registering needs no import of it.

A test holds the table against RosettaSciIO's own list. Left out are formats of spectra and logs, those whose suffix
says too little (``.h5``, ``.hdf5``, ``.img``, ``.xml``), those that need pickles to give a pixel size (``.prz``), and
``.zspy``, for which RosettaSciIO asks for Zarr 2 and emgen for Zarr 3. ``.blo`` and ``.mib`` mostly hold diffraction
patterns over a scan; those are refused with the names of their axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Format:
    """``module`` of RosettaSciIO that reads it, and what to ask it for beside ``lazy=True``."""

    module: str
    options: Mapping[str, Any] = field(default_factory=dict)


_EMD = Format("rsciio.emd", {"select_type": "images"})  # of a Velox file; decoding its spectra takes minutes

FORMATS: Mapping[str, Format] = {
    ".hspy": Format("rsciio.hspy"),
    ".emd": _EMD,
    ".de5": _EMD,
    ".dm3": Format("rsciio.digitalmicrograph"),
    ".dm4": Format("rsciio.digitalmicrograph"),
    ".ser": Format("rsciio.tia"),
    ".emi": Format("rsciio.tia"),
    ".mrc": Format("rsciio.mrc"),
    ".ali": Format("rsciio.mrc"),
    ".tvips": Format("rsciio.tvips"),
    ".mib": Format("rsciio.quantumdetector"),
    ".blo": Format("rsciio.blockfile"),
    ".nxs": Format("rsciio.nexus"),
    ".unf": Format("rsciio.semper"),
    ".rpl": Format("rsciio.ripple"),
    ".bcf": Format("rsciio.bruker", {"select_type": "image"}),
    ".asw": Format("rsciio.jeol", {"read_em_image": True}),
    ".elid": Format("rsciio.phenom"),
}
"""Suffix -> format."""

SUFFIXES = tuple(FORMATS)
