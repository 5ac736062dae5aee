"""Rounds on instant fakes: the model takes the rough segmenter's place, and a round that makes it worse is undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rounds_plugins
from rounds_plugins import ledger_of
from tandem_inputs import small_spec, write_images

from emgen.artifacts import Artifact, open_stack, read_json
from emgen.engine import run_spec
from emgen.errors import StageFailedError
from emgen.host import Host
from emgen.testing import fakes

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this file's runs; they share one store, as many of them begin alike."""
    made = tmp_path_factory.mktemp("rounds")
    write_images(made / "images")
    return made


@pytest.fixture(scope="module")
def start(folder: Path) -> Start:
    host = Host.from_modules([fakes, rounds_plugins])
    kept: dict[str, Any] = {}

    def run(out: str, *, again: bool = False, store: str = "store", **changes: Any) -> Any:
        if out not in kept or again:
            how = {"rough_segmenter": "sparing", "downstream_task": "widening", "rounds": 2, **changes}
            spec = small_spec(folder / "images", split={"guard": 4, "held_out": 0.2}, **how)
            kept[out] = run_spec(spec, folder / out, host=host, progress=False, cache=folder / store)
        return kept[out]

    return run


@pytest.fixture(scope="module")
def two(start: Start) -> Any:
    """A run whose second round is better."""
    return start("two")


def step(result: Any, label: str) -> Artifact:
    return Artifact(result.artifacts[label])


def stack(result: Any, label: str, name: str) -> Any:
    return open_stack(step(result, label).path(name))[:]


def recipe_inputs(result: Any, label: str) -> dict[str, Any]:
    inputs: dict[str, Any] = step(result, label).manifest["recipe"]["inputs"]
    return inputs


def test_one_round_is_the_tandem_and_leaves_no_ledger(start: Start) -> None:
    result = start("one", rounds=1)
    assert not (result.folder / "rounds.json").exists()
    assert "model_masks" not in result.artifacts


def test_the_masks_of_round_2_are_those_of_the_model_and_not_of_the_rough_segmenter(two: Any) -> None:
    result = two
    before, after = (stack(result, label, "subset1/label") for label in ("split", "split (round 2)"))
    assert (after > 0).sum() > 1.3 * (before > 0).sum()
    assert recipe_inputs(result, "split (round 2)")["rough"] == step(result, "model_masks").key
    assert recipe_inputs(result, "mask_sampler (round 2)")["labels"].startswith(step(result, "split (round 2)").key)


def test_the_crops_of_all_rounds_are_the_same_pixels_so_that_what_is_held_out_stays_held_out(two: Any) -> None:
    result = two
    for subset in ("subset1", "subset2", "held_out"):
        first, second = (stack(result, label, f"{subset}/image") for label in ("split", "split (round 2)"))
        assert len(first)
        assert np.array_equal(first, second)
    plans = [read_json(step(result, label).path("split.json")) for label in ("split", "split (round 2)")]
    assert plans[0]["held_out"] == plans[1]["held_out"]
    assert plans[0]["scale"] == plans[1]["scale"]


def test_no_training_of_any_round_takes_a_held_out_crop(two: Any) -> None:
    result = two
    trained = [label for label in result.artifacts if step(result, label).manifest["kind"] == "model"]
    assert len(trained) == 8
    for label in trained:
        fitted_on = {
            name: key for name, key in recipe_inputs(result, label).items() if not name.startswith("checkpoint")
        }
        assert "held_out" not in json.dumps(fitted_on), label


def test_a_round_that_is_better_is_accepted_and_its_model_is_the_run_s(two: Any) -> None:
    result = two
    ledger = ledger_of(result.folder)
    assert [row["status"] for row in ledger["rounds"]] == ["accepted", "accepted"]
    assert ledger["accepted"] == 2
    assert result.outcome.model.key == step(result, "downstream_task (round 2)").key
    assert read_json(result.model / "model.json")["provenance"]["key"] == result.outcome.model.key
    assert read_json(result.folder / "metrics.json") == json.loads(json.dumps(ledger["rounds"][1]["scores"]))


def test_a_round_that_is_worse_is_rolled_back_and_no_other_follows(start: Start) -> None:
    result = start("fading", downstream_task="fading", rounds=4)
    ledger = ledger_of(result.folder)
    assert [row["status"] for row in ledger["rounds"]] == ["accepted", "rolled back"]
    assert ledger["stopped"] == "round 2 was rolled back"
    assert ledger["rounds"][1]["against_the_round_before"]["high"] < 0
    assert result.outcome.model.key == step(result, "downstream_task").key
    assert read_json(result.model / "model.json")["provenance"]["key"] == result.outcome.model.key
    assert read_json(result.folder / "metrics.json") == json.loads(json.dumps(ledger["rounds"][0]["scores"]))


def test_rounds_end_when_the_masks_no_longer_change(start: Start) -> None:
    ledger = ledger_of(start("warmed", downstream_task="warmed", rounds=9).folder)
    assert ledger["made"] < 9
    assert "agree" in ledger["stopped"]
    assert ledger["rounds"][-1]["against_the_round_before"]["agreement"] >= 0.98


def test_a_model_that_finds_nothing_ends_the_rounds_but_not_the_run(start: Start) -> None:
    result = start("blind", downstream_task="blind", rounds=3)
    ledger = ledger_of(result.folder)
    assert ledger["made"] == 1
    assert "nothing to learn from" in ledger["stopped"]
    assert read_json(result.folder / "manifest.json")["status"] == "complete"


def test_a_later_round_trains_on_from_the_model_before_it_unless_told_not_to(start: Start, two: Any) -> None:
    warm, cold = two, start("cold", warm_start=False)
    assert recipe_inputs(warm, "downstream_task (round 2)")["start_from"] == step(warm, "downstream_task").key
    assert "start_from" not in recipe_inputs(cold, "downstream_task (round 2)")
    trained = [read_json(step(r, "downstream_task (round 2)").path("model/fake.json")) for r in (warm, cold)]
    rounds = [moments["rounds"] for moments in trained]
    assert rounds == [2, 1]


def test_the_model_of_a_later_round_finds_the_scale_as_that_of_round_1_does(two: Any) -> None:
    result = two
    infos = [read_json(step(result, f"downstream_task{end}").path("model/model.json")) for end in ("", " (round 2)")]
    assert infos[0]["scale"] == infos[1]["scale"]
    assert infos[0]["scale"]["segmenter"] == "sparing"
    assert infos[0]["working_diameter"] == infos[1]["working_diameter"]


def test_the_steps_of_round_1_have_the_same_keys_whether_others_follow_or_not(start: Start, two: Any) -> None:
    one = start("one", rounds=1)
    of_the_last_model_alone = ("response", "domain of the model")
    keys = {
        label: step(one, label).key
        for label in one.artifacts
        if not any(words in label for words in of_the_last_model_alone)
    }
    assert keys.items() <= {label: step(two, label).key for label in two.artifacts}.items()


def test_the_ledger_says_of_each_round_what_it_began_with_what_it_made_and_why_it_was_kept(two: Any) -> None:
    result = two
    rows = ledger_of(result.folder)["rounds"]
    assert rows[1]["masks_it_began_with"] == rows[0]["masks_it_made"]
    assert rows[0]["masks_it_began_with"]["particles"] < rows[0]["masks_it_made"]["particles"]
    assert rows[1]["trained_on_from"] == rows[0]["artifacts"]["model"] == step(result, "downstream_task").key
    assert set(rows[0]["gate"]["first"]) >= {"pass_rate", "erased", "invented"}
    comparison = rows[1]["against_the_round_before"]
    assert comparison["low"] <= comparison["difference"] <= comparison["high"]
    assert f"{comparison['score']:.3f}" in rows[1]["why"]


def test_run_again_nothing_is_made_and_the_ledger_is_the_same(start: Start, two: Any) -> None:
    before = ledger_of(two.folder)
    again = start("two", again=True)
    assert ledger_of(again.folder) == before
    assert all(entry["cached"] for entry in read_json(again.folder / "manifest.json")["steps"])
    assert read_json(again.model / "model.json")["provenance"]["key"] == again.outcome.model.key


def test_a_run_that_failed_in_round_2_goes_on_there(start: Start, monkeypatch: Any) -> None:
    monkeypatch.setattr(rounds_plugins, "broken", ["later"])
    with pytest.raises(StageFailedError, match=r"contrast_gan \(round 2\)|breaking-contrast"):
        start("broken", contrast_gan="breaking-contrast")
    monkeypatch.setattr(rounds_plugins, "broken", [])
    result = start("broken", contrast_gan="breaking-contrast")
    cached = {entry["label"]: entry["cached"] for entry in read_json(result.folder / "manifest.json")["steps"]}
    assert cached["downstream_task"]
    assert cached["first_generation (round 2)"]
    assert not cached["contrast_gan (round 2)"]
    assert ledger_of(result.folder)["accepted"] == 2


def test_the_report_shows_the_rounds_and_the_pictures_of_the_one_that_is_kept(two: Any) -> None:
    result = two
    page = (result.folder / "report.html").read_text("utf-8")
    assert 'id="rounds"' in page
    assert "The model of this run is that of round 2" in page
    assert page.count("Round 2:") == 1
    assert "cannot be read" not in page
