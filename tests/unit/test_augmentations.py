"""What a modality rules out, no training does."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from emgen import hookimpl
from emgen.registration import AUGMENTATIONS, ModalityPlugin
from emgen.stages import Context
from emgen.testing import fakes
from emgen_npssegnet.data import plausible


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
