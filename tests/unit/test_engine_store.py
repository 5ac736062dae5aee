"""The store: keys, drafts, locks, why, prune."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import Field

from emgen.artifacts import Artifact, create_stack, open_stack, write_stack
from emgen.cli import main
from emgen.engine.cache import Store, check_writable
from emgen.engine.explain import why
from emgen.engine.lock import is_locked, locked
from emgen.engine.losses import LossLog, read_losses
from emgen.engine.prune import prune
from emgen.engine.recipe import Maker, Recipe, by_contents, sources_digest
from emgen.errors import Interrupted, OutputError
from emgen.registration import StageConfig
from emgen.stages import Stack

MAKER = Maker(plugin="pix", revision=1, distribution="emgen-pix", version="1.0", sources=None)


def recipe(slot: str = "gan", **parts: Any) -> Recipe:
    return Recipe(**{"slot": slot, "maker": MAKER, "config": {"epochs": 3}, "seed": 1, **parts})


def put(store: Store, made: Recipe, text: str = "x") -> Artifact:
    with store.draft(made) as draft:
        assert draft is not None
        (draft.folder / "out.txt").write_text(text)
        return store.commit(draft, kind="model", config={}, facts={}, simulated=False, device="cpu")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "run" / "stages")


def test_a_zarr_array_is_a_stack_of_one_image_a_chunk(tmp_path: Path) -> None:
    stack = create_stack(tmp_path / "a", (3, 4, 5), np.float32)
    stack[0:2] = np.ones((2, 4, 5))
    read = open_stack(tmp_path / "a")
    assert isinstance(read, Stack)
    assert len(read) == 3
    assert read[0].shape == (4, 5)
    assert read[1:3].shape == (2, 4, 5)
    assert (tmp_path / "a" / "c" / "1" / "0" / "0").is_file()
    with pytest.raises(IndexError):
        read[3]


def test_a_stack_is_copied_image_by_image(tmp_path: Path) -> None:
    source = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    write_stack(tmp_path / "copy", source, np.int32)
    assert np.array_equal(open_stack(tmp_path / "copy")[:], source)


@pytest.mark.parametrize(
    "change",
    [
        {"slot": "other"},
        {"config": {"epochs": 4}},
        {"seed": 2},
        {"settings": {"precision": "float16"}},
        {"inputs": {"image": "abc"}},
        {"maker": Maker(plugin="cut", revision=1, distribution="emgen-pix", version="1.0", sources=None)},
        {"maker": Maker(plugin="pix", revision=2, distribution="emgen-pix", version="1.0", sources=None)},
        {"maker": Maker(plugin="pix", revision=1, distribution="emgen-pix", version="1.1", sources=None)},
        {"maker": Maker(plugin="pix", revision=1, distribution="emgen-pix", version="1.0", sources="digest")},
    ],
    ids=["slot", "config", "seed", "precision", "inputs", "plugin", "revision", "version", "sources"],
)
def test_each_part_of_a_recipe_changes_the_key(change: dict[str, Any]) -> None:
    assert recipe(**change).key != recipe().key


def test_the_order_of_settings_does_not_change_the_key() -> None:
    assert recipe(config={"a": 1, "b": 2}).key == recipe(config={"b": 2, "a": 1}).key


def test_a_path_in_the_settings_counts_by_what_it_holds(tmp_path: Path) -> None:
    class Config(StageConfig):
        weights: Path | None = None
        model: str = Field("pretrained", json_schema_extra={"format": "path"})
        encoder: str = "facebook/sam"

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text("same")
    keys = []
    for name in ("one", "two"):
        config = Config(weights=tmp_path / name / "weights", model=str(tmp_path / name), encoder=str(tmp_path / name))
        keys.append(by_contents(config, config.model_dump(mode="json")))
    assert keys[0] == keys[1]
    assert all(value.startswith("sha256:") for value in keys[0].values())
    plain = Config()
    assert by_contents(plain, plain.model_dump(mode="json")) == {
        "weights": None,
        "model": "pretrained",
        "encoder": "facebook/sam",
    }


def test_sources_of_sibling_packages_that_a_plugin_imports_count(tmp_path: Path, monkeypatch: Any) -> None:
    for package, text in (("plug_a", "import plug_b\n"), ("plug_b", "X = 1\n"), ("plug_c", "Y = 1\n")):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest() -> str:
        sources_digest.cache_clear()
        return sources_digest(("plug_a",))

    before = digest()
    (tmp_path / "plug_c" / "__init__.py").write_text("Y = 2\n")
    assert digest() == before
    (tmp_path / "plug_b" / "__init__.py").write_text("X = 2\n")
    assert digest() != before


def test_an_artifact_appears_only_when_it_is_complete(store: Store) -> None:
    with store.draft(recipe()) as draft:
        assert draft is not None
        (draft.folder / "out.txt").write_text("x")
        assert store.find(recipe()) is None
        artifact = store.commit(draft, kind="model", config={"epochs": 3}, facts={"f": 1}, simulated=True, device="cpu")
    found = store.find(recipe())
    assert found is not None
    assert found.folder == artifact.folder
    assert found.folder.name == f"gan-{recipe().key[:12]}"
    assert found.simulated
    assert found.facts == {"f": 1}
    assert found.manifest["recipe"]["config"] == {"epochs": 3}
    assert found.manifest["environment"]["python"]


def test_a_failed_draft_keeps_its_scratch_and_what_was_done(store: Store) -> None:
    def fail() -> None:
        with store.draft(recipe()) as draft:
            assert draft is not None
            (draft.scratch / "checkpoint").write_text("7")
            draft.mark_done(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.draft(recipe()) as draft:
        assert draft is not None
        assert (draft.scratch / "checkpoint").read_text() == "7"
        assert draft.done() == 3
        artifact = store.commit(draft, kind="model", config={}, facts={}, simulated=False, device="cpu")
    assert sorted(path.name for path in artifact.folder.iterdir()) == ["manifest.json"]


def test_a_second_writer_waits_and_finds_the_artifact(store: Store) -> None:
    told, seen = threading.Event(), []

    def second() -> None:
        with store.draft(recipe(), waiting=told.set) as draft:
            seen.append(draft)

    with store.draft(recipe()) as draft:
        assert draft is not None
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        assert store.is_busy(draft.folder)
        store.commit(draft, kind="model", config={}, facts={}, simulated=False, device="cpu")
    thread.join(10)
    assert seen == [None]


def test_waiting_for_a_lock_can_be_stopped(tmp_path: Path) -> None:
    with locked(tmp_path / "a.lock"):
        assert is_locked(tmp_path / "a.lock")
        with pytest.raises(Interrupted), locked(tmp_path / "a.lock", should_stop=lambda: True):
            pass
    assert not is_locked(tmp_path / "a.lock")


def test_why_names_the_setting_that_differs(store: Store) -> None:
    put(store, recipe(config={"epochs": 3}))
    newer = put(store, recipe(config={"epochs": 5}))
    explanation = why(store, newer.folder.name)
    (difference,) = explanation.differences
    assert (difference.part, difference.here, difference.there) == ("config.epochs", 5, 3)


def test_why_follows_an_input_to_what_differs_in_it(store: Store) -> None:
    masks = [put(store, recipe("masks", seed=seed)) for seed in (1, 2)]
    images = [put(store, recipe("images", inputs={"label": f"{made.key}/label"})) for made in masks]
    (difference,) = why(store, images[1].folder.name).differences
    assert difference.part == "masks > seed"


def test_why_of_an_unknown_name_suggests_one(store: Store) -> None:
    made = put(store, recipe())
    with pytest.raises(OutputError, match=made.folder.name):
        why(store, made.folder.name.replace("gan", "gam"))


def note_run(store: Store, folder: Path, *artifacts: Artifact) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    steps = [{"key": artifact.key} for artifact in artifacts]
    (folder / "manifest.json").write_text(json.dumps({"steps": steps}))
    store.register_run(folder)


def test_prune_keeps_what_a_run_reaches_and_what_that_was_made_from(store: Store, tmp_path: Path) -> None:
    masks = put(store, recipe("masks"))
    images = put(store, recipe("images", inputs={"label": f"{masks.key}/label"}))
    lost = put(store, recipe("images", seed=9))
    note_run(store, tmp_path / "elsewhere", images)
    assert prune(store, dry_run=True).folders == (lost.folder,)
    assert lost.folder.exists()
    pruned = prune(store)
    assert pruned.bytes > 0
    assert [artifact.key for artifact in store.artifacts()] == sorted(
        [images.key, masks.key], key=lambda key: store.by_key()[key].folder.name
    )


def test_prune_drops_old_partials_and_keeps_fresh_ones(store: Store, tmp_path: Path) -> None:
    note_run(store, tmp_path / "elsewhere", put(store, recipe("masks")))
    for seed in (1, 2):
        with pytest.raises(RuntimeError), store.draft(recipe(seed=seed)):
            raise RuntimeError
    old, fresh = store.partials()
    week_ago = time.time() - 8 * 86400
    for path in (old, *old.rglob("*")):
        os.utime(path, (week_ago, week_ago))
    assert prune(store).folders == (old,)
    assert store.partials() == [fresh]


def test_prune_refuses_to_drop_everything_unasked(store: Store) -> None:
    put(store, recipe())
    with pytest.raises(OutputError, match="--all"):
        prune(store)
    assert len(prune(store, everything=True).folders) == 1


def test_the_run_above_the_store_counts_even_after_a_move(store: Store, tmp_path: Path) -> None:
    kept = put(store, recipe())
    note_run(store, tmp_path / "run", kept)
    (tmp_path / "run").rename(tmp_path / "moved")
    assert prune(Store(tmp_path / "moved" / "stages")).folders == ()


def test_cache_commands_show_a_run_folder(store: Store, tmp_path: Path) -> None:
    put(store, recipe(config={"epochs": 3}))
    newer = put(store, recipe(config={"epochs": 5}))
    with pytest.raises(RuntimeError), store.draft(recipe(seed=8)):
        raise RuntimeError
    where = ["--cache", str(tmp_path / "run")]
    listed = CliRunner().invoke(main, ["cache", "list", *where]).output
    assert newer.folder.name in listed
    assert "pix (emgen-pix 1.0)" in listed
    assert "unfinished, resumes" in listed
    explained = CliRunner().invoke(main, ["cache", "why", *where, newer.folder.name]).output
    assert "config.epochs: 5 instead of 3" in explained
    note_run(store, tmp_path / "run", newer)
    pruned = CliRunner().invoke(main, ["cache", "prune", *where]).output
    assert "in 1 artifacts" in pruned
    assert CliRunner().invoke(main, ["cache", "list", "--cache", str(tmp_path / "nowhere")]).exit_code == 2


def test_a_folder_without_room_is_refused(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder", 1)
    with pytest.raises(OutputError, match="may need"):
        check_writable(tmp_path, 2**60)


def test_losses_of_repeated_steps_are_kept_once_and_torn_lines_left_out(tmp_path: Path) -> None:
    def fail() -> None:
        with LossLog(tmp_path) as losses:
            for step in range(4):
                losses.add(step, {"loss": step})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with (tmp_path / "losses.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    with LossLog(tmp_path) as losses:
        losses.add(3, {"loss": 30})
        losses.add(4, {"loss": 4})
    assert [(row["step"], row["loss"]) for row in read_losses(tmp_path)] == [(0, 0), (1, 1), (2, 2), (3, 30), (4, 4)]
