"""Registers the modality ``sem-se``, the rough segmenter ``rims`` and the sampler ``agglomerates``."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import ModalityPlugin, StagePlugin
from emgen_sem.config import AgglomeratesConfig, RimsConfig


@hookimpl
def emgen_modalities() -> list[ModalityPlugin]:
    return [
        ModalityPlugin(
            name="sem-se",
            polarity="bright",
            normalise="emgen_sem.normalise:normalise",
            # Charging smears along the scan lines, and the detector lights one side: turned, no such picture exists.
            augmentations=("flip", "gauss-noise"),
            defaults={
                "rough_segmenter": "rims",
                "mask_sampler": "agglomerates",
                "morphology_gan": "pix2pix",
                "contrast_gan": "cyclegan",
                "downstream_task": {"uses": "npssegnet", "start_from": "pretrained"},
                "checkpoints": {"by": ["kid", "power-spectrum"]},
            },
            summary="secondary-electron SEM of powders: bright rims, heaps, charging along the scan lines",
        )
    ]


@hookimpl
def emgen_rough_segmenters() -> list[StagePlugin]:
    return [
        StagePlugin(
            name="rims",
            config=RimsConfig,
            create="emgen_sem.rims:Rims",
            summary="roundish particles of a heap, told apart by their bright rims",
        )
    ]


@hookimpl
def emgen_mask_samplers() -> list[StagePlugin]:
    return [
        StagePlugin(
            name="agglomerates",
            config=AgglomeratesConfig,
            create="emgen_sem.agglomerates:Agglomerates",
            summary="particles in heaps, lying over each other, as measured in the rough masks",
        )
    ]
