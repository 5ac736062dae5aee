"""The micrographs of a study: phantoms that it makes for each seed, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emgen.artifacts import read_json, write_json
from emgen.data import expand_images
from emgen.data.stack import suffixes_of
from emgen.errors import NoImagesError, SpecError
from emgen.study.settings import PhantomSpec, StudyFile
from emgen.study.trial import Material
from emgen.testing.phantoms import Phantom, phantom_stack, write_phantoms

if TYPE_CHECKING:
    from emgen.host import Host

MADE = "phantoms.json"
IMAGINGS = ("haadf-stem", "bf-tem")


def phantoms_of(settings: PhantomSpec, modality: str, seed: int) -> tuple[list[Phantom], list[Phantom]]:
    """Phantoms to train on, and unseen ones of the same material; another seed is another material."""
    imaging = settings.imaging or modality
    if imaging not in IMAGINGS:
        raise SpecError(
            f"study.phantoms.imaging: there are phantoms of {' and '.join(IMAGINGS)}, none of modality {imaging!r}. "
            "Set it to one of them."
        )
    count = settings.micrographs
    shape_HW = (settings.side, settings.side)
    # 2 * seed, as in `emgen demo`: a study and the demo of one seed see the same micrographs
    made = phantom_stack(count + settings.unseen, shape_HW, seed=2 * seed, modality=imaging, diameter=settings.diameter)
    return made[:count], made[count:]


def write_phantom_material(folder: Path, settings: PhantomSpec, modality: str, seed: int) -> Material:
    """Makes the phantoms of a seed in ``folder``, unless they stand there already."""
    recipe = {**settings.model_dump(mode="json"), "modality": modality, "seed": seed}
    if not ((folder / MADE).is_file() and read_json(folder / MADE) == recipe):
        training, unseen = phantoms_of(settings, modality, seed)
        for name, phantoms in (("micrographs", training), ("unseen", unseen)):
            _clear(folder / name, folder / f"{name}-truth")
            write_phantoms(folder / name, phantoms)
        write_json(folder / MADE, recipe)
    return Material(
        images=(str((folder / "micrographs" / "*.tif").resolve()),),
        unseen=(str((folder / "unseen" / "*.tif").resolve()),),
        truth=str((folder / "unseen-truth").resolve()),
        training_truth=str((folder / "micrographs-truth").resolve()),
        phantoms=True,
    )


def own_material(file: StudyFile, host: Host) -> Material:
    """The user's micrographs. What is scored on is taken out of what is trained on."""
    study, suffixes = file.study, suffixes_of(host)
    patterns = file.tree.get("images") or []
    images = expand_images([patterns] if isinstance(patterns, str) else list(patterns), file.base, suffixes)
    unseen = expand_images(study.evaluate, file.base, suffixes) if study.evaluate else []
    scored = {path.resolve() for path in unseen}
    trained = [path for path in images if path.resolve() not in scored]
    if not trained:
        raise NoImagesError("study.evaluate names every micrograph, which leaves none to train on. Name fewer.")
    return Material(
        images=_absolute(trained),
        unseen=_absolute(unseen),
        truth=_existing(file, study.truth),
        training_truth=_existing(file, study.truth),
        hand_labels=_existing(file, study.hand_labels),
    )


def _absolute(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(str(path.resolve()) for path in paths)


def _existing(file: StudyFile, text: str | None) -> str | None:
    if text is None:
        return None
    folder = file.path(text)
    if not folder.is_dir():
        raise NoImagesError(f"study: there is no folder {text} ({folder}).")
    return str(folder.resolve())


def _clear(*folders: Path) -> None:
    """Phantoms of other settings must not stay among the new ones."""
    for folder in folders:
        for path in folder.glob("phantom-*.tif"):
            path.unlink()
