"""States of the downstream task on the way: model folders by step, whole after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from tandem_inputs import small_spec, write_images

from emgen.artifacts import Artifact
from emgen.engine import opened_run
from emgen.engine.snapshots import snapshots_of
from emgen.engine.tandem import tandem
from emgen.host import Host
from emgen.model import load_model
from emgen.spec import load_spec
from emgen.testing import fakes


@pytest.fixture
def host() -> Host:
    return Host.from_modules([fakes])


def trained(host: Host, tmp_path: Path, snapshots: int) -> Artifact:
    spec = load_spec(small_spec(write_images(tmp_path / "images"), metrics=[]), host=host)
    with opened_run(spec, tmp_path / "run", host=host, progress=False) as run:
        second = tandem(run).second
        return run.train_downstream(second.images, second.labels, label="watched", snapshots=snapshots)


def test_snapshots_are_models_that_segment(host: Host, tmp_path: Path) -> None:
    found = snapshots_of(trained(host, tmp_path, 4).folder)
    assert list(found) == [2, 4, 6, 8]
    assert [path.name for path in found.values()] == ["000002", "000004", "000006", "000008"]
    loaded = [load_model(path, host=host) for path in found.values()]
    assert all(model.working_diameter == pytest.approx(8.0) for model in loaded)
    texts = [(path / "fake.json").read_text() for path in found.values()]
    assert len(set(texts)) == 4


def test_the_model_is_the_one_trained_without_snapshots(host: Host, tmp_path: Path) -> None:
    watched, plain = trained(host, tmp_path, 2), trained(host, tmp_path, 0)
    assert watched.key != plain.key
    assert watched.path("model/fake.json").read_bytes() == plain.path("model/fake.json").read_bytes()
    assert not plain.path("snapshots").exists()


def test_a_snapshot_that_stands_is_not_taken_again(tmp_path: Path) -> None:
    from emgen.engine.snapshots import keep_snapshot

    def save(folder: Path) -> None:
        (folder / "weights").write_text("first")

    def fail(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise RuntimeError("killed")

    kept = keep_snapshot(tmp_path, 10, save)
    assert keep_snapshot(tmp_path, 10, fail) == kept
    assert (kept / "weights").read_text() == "first"
    with pytest.raises(RuntimeError):
        keep_snapshot(tmp_path, 20, fail)
    assert list(snapshots_of(tmp_path)) == [10]
