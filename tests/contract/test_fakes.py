"""The fakes keep the contract that they stand in for, and the whole tandem can be built from them."""

from __future__ import annotations

from emgen.testing import (
    ContrastGanConformance,
    DownstreamTaskConformance,
    MaskSamplerConformance,
    MetricConformance,
    ModalityConformance,
    MorphologyGanConformance,
    ReaderConformance,
    RoughSegmenterConformance,
    fakes,
)


class TestFakeModality(ModalityConformance):
    (plugin,) = fakes.emgen_modalities()


class TestFakeReader(ReaderConformance):
    (plugin,) = fakes.emgen_readers()


class TestFakeSegmenter(RoughSegmenterConformance):
    (plugin,) = fakes.emgen_rough_segmenters()


class TestFakeMasks(MaskSamplerConformance):
    (plugin,) = fakes.emgen_mask_samplers()


class TestFakeMorphology(MorphologyGanConformance):
    (plugin,) = fakes.emgen_morphology_gans()


class TestFakeContrast(ContrastGanConformance):
    (plugin,) = fakes.emgen_contrast_gans()


class TestFakeTask(DownstreamTaskConformance):
    (plugin,) = fakes.emgen_downstream_tasks()


class TestFakeMetric(MetricConformance):
    plugin = fakes.emgen_metrics()[0]


class TestFakeIou(MetricConformance):
    plugin = fakes.emgen_metrics()[1]
