"""Every hyperparameter that the paper gives (Yuan et al. 2025, Methods and Table S1) is the default."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.spec import load_spec
from emgen_cyclegan.config import CycleGanConfig
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_pix2pix.config import Pix2PixConfig

PAPER = {"images": ["*.tif"], "modality": "haadf-stem", "preset": "paper"}


def test_pix2pix_has_the_papers_settings():
    c = Pix2PixConfig(**Pix2PixConfig.presets["paper"])
    assert (c.l1_weight, c.learning_rate, c.betas) == (10, 2e-4, (0.5, 0.999))
    assert (c.epochs, c.decay_epochs, c.batch, c.max_steps) == (100, 50, 4, None)
    assert c.discriminator == "unet++"


def test_cyclegan_has_the_papers_schedule():
    c = CycleGanConfig(**CycleGanConfig.presets["paper"])
    assert (c.learning_rate, c.betas, c.epochs, c.decay_epochs, c.batch, c.max_steps) == (
        2e-4,
        (0.5, 0.999),
        100,
        50,
        4,
        None,
    )
    assert (c.cycle_weight, c.identity_weight, c.pool) == (10, 0.5, 50)


def test_npssegnet_has_the_papers_settings():
    c = NPsSegNetConfig(**NPsSegNetConfig.presets["paper"])
    assert (c.architecture, c.encoder) == ("unet++", "resnet34")
    assert (c.learning_rate, c.weight_decay, c.batch, c.epochs) == (3e-4, 5e-4, 4, 150)
    assert (c.schedule, c.step_epochs, c.step_gamma, c.focal_alpha) == ("step", 5, 0.9, 0.25)
    assert c.validation == 0.2
    assert c.augment == ("flip", "shift-scale-rotate", "gauss-noise")
    assert c.start_from is None


def test_noise_is_that_of_the_papers_time_and_not_of_albumentations_2():
    from emgen_npssegnet.data import augmentations

    low, high = NPsSegNetConfig().noise
    assert (low, high) == (0.012, 0.028)
    transform = augmentations(("gauss-noise",), (low, high))
    transform.set_random_seed(0)
    flat = np.full((64, 64, 1), 0.5, np.float32)
    spreads = [float(transform(image=flat)["image"].std()) for _ in range(60)]
    noisy = [s for s in spreads if s > 0]
    assert 15 < len(noisy) < 45
    assert 0.011 < min(noisy) < max(noisy) < 0.030


def test_each_augmentation_has_probability_one_half():
    from emgen_npssegnet.data import augmentations

    names = ("flip", "rotate90", "shift-scale-rotate", "contrast", "gauss-noise")
    assert {step.p for step in augmentations(names, (0.01, 0.02))} == {0.5}


def test_the_paper_preset_of_a_spec_trains_from_nothing_on_512_px():
    spec = load_spec(PAPER)
    assert spec.data.crop == 512
    assert spec.downstream_task.encoder == "resnet34"
    assert spec.downstream_task.start_from is None
    assert spec.morphology_gan.batch == spec.contrast_gan.batch == spec.downstream_task.batch == 4


@pytest.mark.slow
@pytest.mark.timeout(2400)  # two steps of 512 px at full width take minutes on two cores
@pytest.mark.parametrize("stage", ["pix2pix", "cyclegan", "npssegnet"])
def test_two_steps_of_each_stage_run_at_paper_size(stage):
    from emgen.stages import Context
    from emgen.testing.phantoms import phantom_micrographs
    from emgen_cyclegan.gan import CycleGan
    from emgen_npssegnet.task import NPsSegNet
    from emgen_pix2pix.gan import Pix2Pix

    phantoms = phantom_micrographs(5, (512, 512), seed=0, diameter=20)
    images = np.stack([p.image_HW for p in phantoms])
    labels = np.stack([p.label_HW for p in phantoms])
    logged = []
    context = Context(log=lambda step, values: logged.append(values))
    if stage == "pix2pix":
        gan = Pix2Pix(Pix2PixConfig(max_steps=2, batch=1), context)  # four of 512 px take minutes
        gan.fit(labels, images, context)
        result = gan.generate(labels[:1], np.random.default_rng(0))
    elif stage == "cyclegan":
        contrast = CycleGan(CycleGanConfig(max_steps=2, batch=1), context)
        contrast.fit(images, images**0.7, context)
        result = contrast.translate(images[:1], np.random.default_rng(0))
    else:
        task = NPsSegNet(NPsSegNetConfig(max_steps=2), context)
        task.fit(images, labels, context)
        result = task.predict(images[:1])
    assert result.shape == (1, 512, 512)
    assert np.isfinite(result).all()
    assert all(np.isfinite(value) for values in logged for value in values.values())
