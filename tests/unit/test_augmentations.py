"""What a modality rules out, no training does."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from emgen import hookimpl
from emgen.registration import AUGMENTATIONS, ModalityPlugin
from emgen.stages import Context
from emgen.testing import fakes
from emgen_npssegnet.data import plausible
from emgen_pix2pix.config import Pix2PixConfig
from emgen_pix2pix.gan import Pix2Pix
from emgen_torchkit.images import draw_dithered


def test_without_a_word_from_a_modality_settings_stand_as_they_are() -> None:
    assert plausible(("rotate90", "flip"), Context()) == ("rotate90", "flip")


def test_a_change_that_the_modality_rules_out_is_left_out() -> None:
    context = Context(augmentations=("flip", "gauss-noise"))
    assert plausible(("flip", "shift-scale-rotate", "gauss-noise"), context) == ("flip", "gauss-noise")


def test_a_change_that_modalities_know_nothing_of_stays() -> None:
    assert "contrast" not in AUGMENTATIONS
    assert plausible(("contrast", "rotate90"), Context(augmentations=())) == ("contrast",)


@pytest.mark.parametrize("allowed", [AUGMENTATIONS, ("flip",)])
def test_stages_hear_what_the_modality_allows(
    allowed: tuple[str, ...], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emgen.engine.bench import Bench
    from emgen.host import Host

    def scanned() -> list[ModalityPlugin]:
        (plain,) = fakes.emgen_modalities()
        return [replace(plain, name="scanned", augmentations=allowed)]

    module = ModuleType("scanned")
    module.emgen_modalities = hookimpl(scanned, specname="emgen_modalities")  # type: ignore[attr-defined]
    host = Host.from_modules([fakes, module])
    bench = object.__new__(Bench)
    bench.host, bench.spec = host, type("Spec", (), {"modality": "scanned"})  # type: ignore[assignment]
    assert bench.augmentations == allowed
    assert bool(bench._ruled_out()) == (allowed != AUGMENTATIONS)


def test_gans_flip_no_image_where_the_modality_rules_it_out() -> None:
    """Shadows of a side detector fall one way: turned micrographs would teach that they fall any way."""
    gradient = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))[None]
    rng = np.random.default_rng(0)
    free, held = (draw_dithered(gradient, 32, rng, Context(augmentations=a)) for a in (None, ("rotate90",)))
    rises = [(batch[..., -1] > batch[..., 0]).float().mean().item() for batch in (free, held)]
    assert 0.2 < rises[0] < 0.8
    assert rises[1] == 1


def test_pix2pix_flips_neither_pairs_nor_scenes_where_the_modality_rules_it_out() -> None:
    labels = np.zeros((8, 32, 32), np.int32)
    labels[:, 10:16, 10:16] = 1
    images = np.tile(np.linspace(0.2, 0.6, 32, dtype=np.float32), (8, 32, 1)) + 0.3 * (labels > 0)
    config = Pix2PixConfig.model_validate({**Pix2PixConfig.presets["check"], "drawing": True})
    for augmentations, flips in ((None, True), ((), False)):
        context = Context(seed=1, augmentations=augmentations)
        gan = Pix2Pix(config, context)
        gan.fit(labels, images.astype(np.float32), context)
        conditions = [gan._condition(labels[0], np.random.default_rng(seed)) for seed in range(16)]
        falls = [c[3, :, -1].mean() < c[3, :, 0].mean() for c in conditions]
        assert any(falls) == flips
        assert not all(falls)
