"""The contract's checks, against the installed plugins."""

from __future__ import annotations

from emgen.testing import MaskSamplerConformance, ModalityConformance, ReaderConformance


class TestFluorescenceNuclei(ModalityConformance):
    plugin = "fluorescence-nuclei"


class TestTiffChannel(ReaderConformance):
    plugin = "tiff-channel"


class TestNuclei(MaskSamplerConformance):
    plugin = "nuclei"
