"""A few labelled micrographs beside the virtual data set: what is used, what is refused, what they gain."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tandem_inputs import disc_image, small_spec, write_images

from emgen.artifacts import Artifact, open_stack, read_json
from emgen.data import Window
from emgen.engine import run_spec
from emgen.errors import BadImageError, DataError, EmgenError, NoImagesError
from emgen.host import Host
from emgen.spec import load_spec
from emgen.spec.check import check_spec
from emgen.testing import fakes

Start = Callable[..., Any]


def mask_of(image: Any) -> Any:
    return np.where(image > 4500, 255, 0).astype(np.uint8)


def write_labelled(folder: Path, count: int, first: int = 50) -> Path:
    """Discs like those of the stack, with their masks beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        image = disc_image(number)
        np.save(folder / f"hand{number}.npy", image)
        np.save(folder / f"hand{number}_mask.npy", mask_of(image))
    return folder


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([fakes])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("labelled")
    write_images(made / "images")
    return made


@pytest.fixture(scope="module")
def start(folder: Path, host: Host) -> Start:
    def run(out: str, labelled: dict[str, Any], **changes: Any) -> Any:
        spec = small_spec(folder / "images", labelled=labelled, metrics=[], gate={"mode": "off"}, **changes)
        return run_spec(spec, folder / out, host=host, progress=False, cache=folder / "store")

    return run


@pytest.fixture(scope="module")
def three(start: Start, folder: Path) -> Any:
    """Three labelled micrographs from elsewhere, kept apart in three groups."""
    return start("three", {"images": str(write_labelled(folder / "three-labelled", 3)), "folds": 3})


def obstacles(folder: Path, host: Host, **labelled: Any) -> tuple[Any, ...]:
    spec = load_spec(small_spec(folder / "images", labelled=labelled), host=host)
    return check_spec(spec, host, lambda device: "cpu").obstacles


def test_so_large_a_share_of_the_training_set_is_labelled_crops(three: Any) -> None:
    images = open_stack(Artifact(three.artifacts["training_set"]).path("image"))
    virtual = len(three.outcome.second)
    assert len(images) == virtual + np.ceil(virtual / 3)
    assert images.shape[1:] == (32, 32)


def test_labelled_crops_show_their_own_labels_at_the_scale_of_the_stack(three: Any) -> None:
    """The fake's discs are bright, so each crop's labels must lie where it is bright."""
    training = Artifact(three.artifacts["training_set"])
    images, labels = (open_stack(training.path(name))[:] for name in ("image", "label"))
    contrast = [
        image[label > 0].mean() - image[label == 0].mean()
        for image, label in zip(images, labels, strict=True)
        if label.any()
    ]
    assert len(contrast) > 20
    assert min(contrast) > 0.3
    row = read_json(three.folder / "labelled.json")["each"][0]
    assert row["factor"] * row["diameter"] == pytest.approx(8.0, rel=0.15)


def test_the_gain_is_scored_on_labels_that_the_model_has_not_seen(three: Any) -> None:
    told = read_json(three.folder / "labelled.json")
    assert (told["micrographs"], told["folds"]) == (3, 3)
    score = told["scores"]["mask-iou"]
    assert score["gain"] == pytest.approx(score["with"] - score["without"])
    assert score["low"] <= score["gain"] <= score["high"]
    for fold in (1, 2, 3):
        recipe = Artifact(three.artifacts[f"training_set fold {fold}"]).manifest["recipe"]
        assert len({window["index"] for window in recipe["settings"]["windows"]}) == 2


def test_the_model_that_is_kept_was_trained_with_all_the_labels(three: Any) -> None:
    recipe = Artifact(three.artifacts["downstream_task"]).manifest["recipe"]
    assert recipe["inputs"]["images"].startswith(Artifact(three.artifacts["training_set"]).key)
    whole = Artifact(three.artifacts["training_set"]).manifest["recipe"]["settings"]["windows"]
    assert {window["index"] for window in whole} == {0, 1, 2}
    assert read_json(three.model / "model.json")["provenance"]["key"] == three.outcome.model.key


def test_the_model_without_labels_is_trained_on_virtual_images_alone(three: Any) -> None:
    recipe = Artifact(three.artifacts["downstream_task without labels"]).manifest["recipe"]
    assert recipe["inputs"]["images"] == three.outcome.second.images.key


def test_the_report_says_what_the_labels_gained_how_few_they_are_and_what_it_cost(three: Any) -> None:
    page = (three.folder / "report.html").read_text("utf-8")
    assert 'id="labelled"' in page
    assert "3 labelled micrographs" in page
    assert "too narrow for the material" in page.replace("\n", " ")
    assert "Measuring this took" in page


def test_of_a_single_micrograph_the_halves_are_kept_apart_and_the_gain_can_be_left_unmeasured(
    start: Start, folder: Path
) -> None:
    one = write_labelled(folder / "one-labelled", 1)
    told = read_json(start("one", {"images": str(one)}).folder / "labelled.json")
    assert (told["micrographs"], told["folds"]) == (1, 2)
    unmeasured = start("unmeasured", {"images": str(one), "folds": 0})
    assert "scores" not in read_json(unmeasured.folder / "labelled.json")
    assert "downstream_task without labels" not in unmeasured.artifacts


def test_of_a_micrograph_of_the_stack_nothing_that_is_held_out_is_used(start: Start, folder: Path) -> None:
    labelled = folder / "own"
    labelled.mkdir()
    shutil.copy(folder / "images" / "image1.npy", labelled / "same.npy")
    np.save(labelled / "same_mask.npy", mask_of(np.load(folder / "images" / "image1.npy")))
    result = start(
        "own-run", {"images": str(labelled), "folds": 0}, split={"guard": 4, "held_out": 0.2, "by": "region"}
    )
    row = read_json(result.folder / "labelled.json")["each"][0]
    plan = result.outcome.parts.plan
    held_out = [Window(**window) for window in plan["held_out"] if window["index"] == 1]
    assert row["in_the_stack"]
    assert held_out
    assert row["factor"] == plan["scale"]["factors"][1]
    for window in (Window(**{**each, "index": 1}) for each in row["windows"]):
        assert all(window.gap(other) > 0 for other in held_out)


def test_a_micrograph_that_is_held_out_as_a_whole_is_refused(start: Start, folder: Path) -> None:
    split = {"by": "micrograph", "held_out": 0.3, "subset1": 1}
    plan = start("probe", {"images": str(write_labelled(folder / "probe-labelled", 1)), "folds": 0}, split=split)
    held = plan.outcome.parts.plan["held_out"][0]["index"]
    labelled = folder / "held"
    labelled.mkdir()
    image = np.load(folder / "images" / f"image{held}.npy")
    shutil.copy(folder / "images" / f"image{held}.npy", labelled / "held.npy")
    np.save(labelled / "held_mask.npy", mask_of(image))
    with pytest.raises(DataError, match=r"held\.npy is held out(.|\n)*split\.held_out: 0"):
        start("held-run", {"images": str(labelled), "folds": 0}, split=split)


def test_masks_may_stand_in_a_folder_of_their_own(folder: Path, host: Host) -> None:
    both = write_labelled(folder / "apart", 2)
    (folder / "masks").mkdir()
    for path in both.glob("*_mask.npy"):
        path.rename(folder / "masks" / path.name)
    assert obstacles(folder, host, images=str(both), masks=str(folder / "masks")) == ()
    found = obstacles(folder, host, images=str(both))
    assert isinstance(found[0].error, BadImageError)
    assert "no mask for hand50.npy, hand51.npy" in str(found[0])


def damaged(folder: Path, how: str) -> Path:
    made = write_labelled(folder, 2)
    mask = made / "hand50_mask.npy"
    if how == "small":
        np.save(mask, np.load(mask)[:-3])
    elif how == "empty":
        np.save(mask, np.zeros_like(np.load(mask)))
    elif how == "full":
        np.save(made / "hand50_labels.npy", np.ones_like(np.load(mask)))
    elif how == "grey":
        np.save(mask, np.arange(np.load(mask).size, dtype=np.int32).reshape(np.load(mask).shape))
    elif how == "twin":
        shutil.copy(made / "hand50.npy", made / "copy.npy")
        shutil.copy(mask, made / "copy_mask.npy")
    return made


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("small", r"hand50_mask\.npy is 176 x 157 px"),
        ("empty", "shows no particle"),
        ("full", "nothing but particle"),
        ("grey", "different values"),
        ("twin", "is the same file as"),
    ],
)
def test_what_does_not_pair_is_named_before_any_work(tmp_path: Path, host: Host, how: str, said: str) -> None:
    write_images(tmp_path / "images")
    labelled = damaged(tmp_path / "hand", how)
    spec = load_spec(small_spec(tmp_path / "images", labelled={"images": str(labelled)}), host=host)
    checked = check_spec(spec, host, lambda device: "cpu")
    with pytest.raises(EmgenError, match=said):
        checked.require()
    assert checked.obstacles[0].field == "labelled"


def test_a_folder_of_masks_alone_is_no_set_of_labelled_micrographs(tmp_path: Path, host: Host) -> None:
    write_images(tmp_path / "images")
    np.save(tmp_path / "x_mask.npy", mask_of(disc_image(1)))
    found = obstacles(tmp_path, host, images=str(tmp_path / "x_mask.npy"))
    assert isinstance(found[0].error, NoImagesError)


def test_relative_paths_start_at_the_spec_and_survive_being_written(tmp_path: Path, host: Host) -> None:
    tree = small_spec(Path("images"), labelled={"images": "hand/*.npy", "masks": "masks"})
    spec = load_spec(tree, host=host, base=tmp_path)
    again = load_spec(spec.to_dict(), host=host)
    assert again.labelled is not None
    assert again.labelled.images == [str(tmp_path / "hand/*.npy")]
    assert again.labelled.masks == str(tmp_path / "masks")


def test_one_group_leaves_nothing_to_train_on_and_is_refused(tmp_path: Path, host: Host) -> None:
    with pytest.raises(EmgenError, match=r"labelled\.folds(.|\n)*0, or 2 and more"):
        load_spec(small_spec(tmp_path, labelled={"images": "x", "folds": 1}), host=host)
