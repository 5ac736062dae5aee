"""The contract's checks, against the installed plugins."""

from __future__ import annotations

from emgen.testing import MaskSamplerConformance, ModalityConformance, RoughSegmenterConformance


class TestSemSe(ModalityConformance):
    plugin = "sem-se"


class TestRims(RoughSegmenterConformance):
    plugin = "rims"


class TestAgglomerates(MaskSamplerConformance):
    plugin = "agglomerates"
