"""Registers ``fluorescence-nuclei``, ``nuclei`` and ``tiff-channel``."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import ModalityPlugin, ReaderPlugin, StagePlugin
from emgen_fluorescence.config import ChannelConfig, NucleiConfig


@hookimpl
def emgen_modalities() -> list[ModalityPlugin]:
    return [
        ModalityPlugin(
            name="fluorescence-nuclei",
            polarity="bright",
            normalise="emgen_fluorescence.normalise:normalise",
            defaults={
                "rough_segmenter": {"uses": "threshold", "method": "global", "smoothing": 2.0},
                "mask_sampler": "nuclei",
                "morphology_gan": "pix2pix",
                "contrast_gan": "cyclegan",
                "downstream_task": {"uses": "npssegnet", "start_from": "pretrained"},
                "checkpoints": {"by": ["kid", "power-spectrum"]},
            },
            summary="fluorescence microscopy: stained nuclei on a dark, unevenly lit background",
        )
    ]


@hookimpl
def emgen_readers() -> list[ReaderPlugin]:
    return [
        ReaderPlugin(
            name="tiff-channel",
            suffixes=(".tif", ".tiff"),
            config=ChannelConfig,
            create="emgen_fluorescence.channel_tiff:ChannelTiffReader",
            summary="one channel of a TIFF with several, by number or name; z planes are projected",
        )
    ]


@hookimpl
def emgen_mask_samplers() -> list[StagePlugin]:
    return [
        StagePlugin(
            name="nuclei",
            config=NucleiConfig,
            create="emgen_fluorescence.nuclei:Nuclei",
            summary="soft ellipses that flatten where they touch, as measured in the rough masks",
        )
    ]
