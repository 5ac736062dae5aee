"""The kinds of plugin: which hook registers each, with which type, and what to call it in a text."""

from __future__ import annotations

from dataclasses import dataclass

from emgen.registration import AnyPlugin, Kind, MetricPlugin, ModalityPlugin, ReaderPlugin, StagePlugin


@dataclass(frozen=True, slots=True)
class KindInfo:
    """``hook`` returns objects of ``plugin_type``; ``title`` and ``plural`` are words for messages."""

    hook: str
    plugin_type: type[AnyPlugin]
    title: str
    plural: str


KINDS: dict[Kind, KindInfo] = {
    "modality": KindInfo("emgen_modalities", ModalityPlugin, "modality", "modalities"),
    "reader": KindInfo("emgen_readers", ReaderPlugin, "reader", "readers"),
    "rough_segmenter": KindInfo("emgen_rough_segmenters", StagePlugin, "rough segmenter", "rough segmenters"),
    "mask_sampler": KindInfo("emgen_mask_samplers", StagePlugin, "mask sampler", "mask samplers"),
    "morphology_gan": KindInfo("emgen_morphology_gans", StagePlugin, "morphology GAN", "morphology GANs"),
    "contrast_gan": KindInfo("emgen_contrast_gans", StagePlugin, "contrast GAN", "contrast GANs"),
    "downstream_task": KindInfo("emgen_downstream_tasks", StagePlugin, "downstream task", "downstream tasks"),
    "metric": KindInfo("emgen_metrics", MetricPlugin, "metric", "metrics"),
}
"""In the order of the tandem, which is the order of ``emgen plugins list``."""
