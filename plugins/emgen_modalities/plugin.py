"""Registers the two ways of imaging that come with emgen."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import ModalityPlugin

TANDEM = {
    "rough_segmenter": "npssegnet",
    "mask_sampler": "fitted-particles",
    "morphology_gan": "pix2pix",
    "contrast_gan": "cyclegan",
    "downstream_task": {"uses": "npssegnet", "start_from": "pretrained"},
    "checkpoints": {"by": ["kid", "power-spectrum"]},
}


@hookimpl
def emgen_modalities() -> list[ModalityPlugin]:
    return [
        ModalityPlugin(
            name="haadf-stem",
            polarity="bright",
            normalise="emgen_modalities.normalise:normalise",
            defaults=TANDEM,
            summary="HAADF-STEM: bright particles on a darker support",
        ),
        ModalityPlugin(
            name="bf-tem",
            polarity="dark",
            normalise="emgen_modalities.normalise:normalise",
            # The weights that the package ships know bright particles.
            defaults={**TANDEM, "rough_segmenter": {"uses": "npssegnet", "polarity_flip": True}},
            summary="bright-field TEM: dark particles on a brighter background",
        ),
    ]
