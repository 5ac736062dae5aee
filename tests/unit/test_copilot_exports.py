"""What is taken away from a session: whole, harmless, and the same with or without a service."""

from __future__ import annotations

import asyncio
import csv
import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tifffile

from emgen.copilot.answer import Answer
from emgen.copilot.exports import KINDS, Exports, export_session, making
from emgen.copilot.exports import video as video_module
from emgen.copilot.exports.kinds import write_export
from emgen.copilot.exports.session import Growth, Session
from emgen.copilot.journal import Arrival, Journal
from emgen.copilot.picture import write_pictures
from emgen.copilot.places import Places
from emgen.errors import OutputError, SpecError
from emgen.particles import measure, write_labels
from emgen.particles.tables import table_bytes

FRAMES, EMPTY, UNSCALED, HOSTILE = 30, 4, 7, 9
HOSTILE_NAME = '=HYPERLINK("x")<b>.tif'
SIDE, PIXEL_NM = 160, 0.5
PATH_NAME = "../../etc/cron.d/x.tif"


def discs(count: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """(H, W) int32 of at most ``count`` discs."""
    y, x = np.ogrid[:SIDE, :SIDE]
    label_HW = np.zeros((SIDE, SIDE), np.int32)
    for label in range(1, count + 1):
        (cy, cx), radius = rng.uniform(0, SIDE, 2), rng.uniform(5, 10)
        label_HW[((y - cy) ** 2 + (x - cx) ** 2 < radius**2) & (label_HW == 0)] = label
    return label_HW


def name_of(frame: int) -> str:
    return {HOSTILE: HOSTILE_NAME, UNSCALED: PATH_NAME}.get(frame, f"area {frame:03d}.tif")


def answer_frame(journal: Journal, places: Places, frame: int, model: int) -> None:
    rng = np.random.default_rng(frame)
    label_HW = discs(0 if frame == EMPTY else 12, rng)
    image_HW = (0.4 * (label_HW > 0) + 0.2 + rng.normal(0, 0.03, label_HW.shape)).astype(np.float32)
    pixel = None if frame == UNSCALED else PIXEL_NM
    table = measure(label_HW, image_HW, pixel, name_of(frame))
    folder, stem = places.labels(frame)
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(folder, stem, label_HW, pixel)
    write_pictures(image_HW, label_HW, places.picture(frame), places.contours(frame))
    answer = Answer(
        frame=frame,
        name=name_of(frame),
        shape_HW=(SIDE, SIDE),
        factor=1.0,
        pixel_size_nm=pixel,
        particles=len(table),
        diameter_K=table["equivalent_diameter_px"].to_numpy(np.float32)[~table["border"].to_numpy(bool)],
        coverage=float((label_HW > 0).mean()),
        table=table_bytes(table),
        seconds={"read": 0.01, "segment": 0.2},
        domain_score=1.0 + 0.1 * frame,
    )
    alarm = {"frame": frame, "raised": True, "since": frame, "words": ["darker"]} if frame == 20 else None
    assert journal.answer(answer, model, alarm) is not None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of 30 answered frames, one that failed and a file that was refused."""
    root = tmp_path_factory.mktemp("session") / "grid <3>"
    places = Places(root)
    places.make()
    journal = Journal(root)
    model = journal.use_model("/models/first", "ab" * 32, "the service was started")
    for frame in range(1, FRAMES + 2):
        arrival = Arrival("folder", name_of(frame), 1000, frame)
        at = 1.7e9 + 4.0 * frame
        numbers, _ = journal.accept(
            arrival, digest=f"{frame:064d}", stored="x", frames=[name_of(frame)], header={}, closed_at=at
        )
        assert numbers == [frame]
        if frame == 16:
            model = journal.use_model("/models/second", "cd" * 32, "adapted")
        if frame <= FRAMES:
            answer_frame(journal, places, frame, model)
    journal.fail(FRAMES + 1, "constant <script>alert(1)</script>")
    journal.refuse(Arrival("folder", "@notes.txt", 3, 1), "not a micrograph")
    journal.mark(3, True, "beautiful <i>facets</i>")
    journal.close()
    return root


@pytest.fixture(scope="module")
def out(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All exports but the video."""
    out = tmp_path_factory.mktemp("out")
    export_session(root, [kind for kind in KINDS if kind != "session.webm"], out)
    return out


def particles(root: Path) -> int:
    journal = Journal(root, only_read=True)
    counted = sum(row["particles"] for row in journal.answered())
    journal.close()
    return counted


def test_particles_csv_has_segments_columns_and_every_particle(root: Path, out: Path) -> None:
    table = pd.read_csv(out / "particles.csv")
    measured = measure(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32), 1.0)
    assert list(table) == [*measured.columns, "frame", "time", "model"]
    assert len(table) == particles(root)
    assert table["frame"].nunique() == FRAMES - 1
    assert EMPTY not in set(table["frame"])
    assert table.loc[table["frame"] == 1, "time"].unique().tolist() == ["2023-11-14T22:13:24.000Z"]
    assert set(table["model"]) == {"ab" * 6, "cd" * 6}


def test_a_frame_without_a_pixel_size_has_no_nanometres(out: Path) -> None:
    table = pq.read_table(out / "particles.parquet").to_pandas()
    unscaled = table["frame"] == UNSCALED
    assert unscaled.any()
    assert table.loc[unscaled, "equivalent_diameter_nm"].isna().all()
    assert table.loc[~unscaled, "equivalent_diameter_nm"].notna().all()
    ratio = table.loc[~unscaled, "equivalent_diameter_nm"] / table.loc[~unscaled, "equivalent_diameter_px"]
    assert np.allclose(ratio, PIXEL_NM)


def test_parquet_holds_what_csv_holds_with_types(out: Path) -> None:
    text, typed = pd.read_csv(out / "particles.csv"), pq.read_table(out / "particles.parquet")
    assert typed.num_rows == len(text)
    assert str(typed.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert typed.column_names == list(text)
    assert typed["label"].to_pylist() == text["label"].tolist()
    assert HOSTILE_NAME in set(typed["image"].to_pylist())


@pytest.mark.parametrize("file", ["particles.csv", "frames.csv"])
def test_no_field_of_a_csv_is_a_formula(out: Path, file: str) -> None:
    rows = list(csv.reader(io.StringIO((out / file).read_text("utf-8"))))
    words = [field for row in rows for field in row if field and not _is_number(field)]
    assert not [field for field in words if field[0] in "=+-@"]
    assert "'" + HOSTILE_NAME in words


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def test_frames_csv_tells_of_every_frame_what_became_of_it(out: Path) -> None:
    table = pd.read_csv(out / "frames.csv").set_index("frame")
    assert list(table.index) == list(range(1, FRAMES + 2))
    assert table["state"].tolist() == ["done"] * FRAMES + ["failed"]
    assert table.loc[EMPTY, "particles"] == 0
    assert table.loc[3, "remark"] == "beautiful <i>facets</i>"
    assert "constant" in table.loc[FRAMES + 1, "reason"]


def test_masks_are_by_number_and_name_and_lead_nowhere(root: Path, out: Path) -> None:
    with zipfile.ZipFile(out / "masks.zip") as archive:
        names = archive.namelist()
        assert len(names) == FRAMES
        assert not [name for name in names if set(name) & set('/\\<>:"|?*') or ".." in name]
        assert names[0] == "00000001_area 001_labels.tif"
        assert names[UNSCALED - 1] == "00000007_etc_cron.d_x_labels.tif"
        label_HW = tifffile.imread(io.BytesIO(archive.read(names[0])))
    assert np.array_equal(label_HW, tifffile.imread(Places(root).labels_file(1)))


def test_the_report_stands_alone_and_runs_nothing_from_outside(out: Path) -> None:
    page = (out / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "<b>.tif" not in page
    assert "<i>facets</i>" not in page
    assert "beautiful &lt;i&gt;facets" in page
    assert "constant &lt;script&gt;" in page
    assert not [mark for mark in ('src="http', "url(http", "<link", "@import") if mark in page]


def test_the_report_tells_of_models_alarms_and_what_is_not_in_the_sizes(out: Path) -> None:
    page = (out / "report.html").read_text("utf-8")
    for wanted in (
        "ab" * 32,
        "/models/second",
        "begins with frame 20",
        "not a micrograph",
        "1 frames; not in the sizes",
    ):
        assert wanted in page, wanted
    assert page.count("data:image/jpeg") == 4  # first, marked, alarm, last


def test_the_video_shows_every_frame_of_a_short_session(root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    import cv2

    monkeypatch.setattr(video_module, "MOST", 8)
    told: list[str] = []
    (path,) = export_session(root, ["session.webm"], tmp_path, tell=told.append)
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(video_module.rate(8), rel=0.01)
    shown = []
    while (found := video.read())[0]:
        shown.append(found[1])
    assert len(shown) == 8
    assert shown[0].shape == (720, 1280, 3)
    assert np.abs(shown[-1].astype(int) - shown[0]).mean() > 1
    assert "8 of 30 frames" in told[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["session.webm"]


def test_only_chosen_frames_are_exported(root: Path, tmp_path: Path) -> None:
    export_session(root, ["particles.csv", "frames.csv", "masks.zip"], tmp_path, frames=[3, 5])
    assert set(pd.read_csv(tmp_path / "particles.csv")["frame"]) == {3, 5}
    assert pd.read_csv(tmp_path / "frames.csv")["frame"].tolist() == [3, 5]
    assert len(zipfile.ZipFile(tmp_path / "masks.zip").namelist()) == 2


def test_a_session_is_exported_while_a_service_has_it_open(root: Path, tmp_path: Path) -> None:
    journal = Journal(root)
    try:
        journal.tell("note", {})
        before = journal.last_event()
        export_session(root, ["frames.csv"], tmp_path)
        assert journal.last_event() == before
    finally:
        journal.close()


def test_a_session_without_frames_leaves_tables_without_rows(tmp_path: Path) -> None:
    places = Places(tmp_path / "empty")
    places.make()
    Journal(places.root).close()
    kinds = [kind for kind in KINDS if kind != "session.webm"]
    export_session(places.root, kinds, tmp_path)
    assert len(pd.read_csv(tmp_path / "particles.csv")) == 0
    assert pq.read_table(tmp_path / "particles.parquet").num_rows == 0
    assert "no frame was answered" in (tmp_path / "report.html").read_text("utf-8")
    with pytest.raises(OutputError, match="no frame is answered"):
        export_session(places.root, ["session.webm"], tmp_path)


def test_a_folder_without_a_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no copilot session there"):
        export_session(tmp_path, ["frames.csv"], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_named_before_anything_is_done(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"Did you mean \"particles.csv\""):
        export_session(root, ["particle.csv"], tmp_path)


@contextmanager
def disk_without_room() -> Iterator[None]:
    """No file may grow beyond 4 kB; not even the log of these tests, so nothing is told meanwhile."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
@pytest.mark.parametrize("kind", KINDS)
def test_the_disks_refusal_is_told_and_leaves_the_earlier_file(
    root: Path, tmp_path: Path, kind: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(video_module, "MOST", 3)
    (tmp_path / kind).write_bytes(b"earlier")
    journal = Journal(root)  # its own files are there already
    journal.tell("note", {})
    with pytest.raises(OutputError, match=f"{kind}: cannot be written"), disk_without_room():
        write_export(Session(journal, Places(root)), kind, tmp_path)
    journal.close()
    assert (tmp_path / kind).read_bytes() == b"earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_sizes_are_those_that_the_page_shows(root: Path) -> None:
    """``Growth`` counts as the service does: its state after a restart is the same numbers."""
    journal = Journal(root, only_read=True)
    grown = Growth()
    for row in Session(journal, Places(root)).answered():
        grown.add(row)
    journal.close()
    assert grown.unit == "nm"
    assert (grown.frames, grown.unscaled, grown.sizes["nm"].frames) == (FRAMES, 1, FRAMES - 1)
    assert grown.sizes["nm"].sizes().mean.low is not None


def test_exports_of_a_service_are_made_once_at_a_time(root: Path, monkeypatch: Any) -> None:
    made: list[str] = []
    gate = threading.Event()

    def slow(session: Session, kind: str, folder: Path) -> Path:
        made.append(kind)
        session.heard(0.5)
        assert gate.wait(5)
        return (folder / kind).resolve()

    monkeypatch.setattr(making, "write_export", slow)

    async def ask() -> None:
        journal = Journal(root)
        exports = Exports(journal, Places(root))
        first, second = (asyncio.create_task(exports.make("frames.csv")) for _ in range(2))
        gone = asyncio.create_task(exports.make("masks.zip"))
        while exports.progress("frames.csv") != 0.5 or exports.progress("masks.zip") != 0.5:
            await asyncio.sleep(0.005)
        gone.cancel()
        await asyncio.sleep(0)
        assert exports.progress("masks.zip") == 0.5, "goes on although who asked has gone"
        gate.set()
        assert await first == await second
        assert exports.progress("frames.csv") is None
        journal.close()

    asyncio.run(ask())
    assert sorted(made) == ["frames.csv", "masks.zip"]


def test_a_finished_export_is_found_again(root: Path) -> None:
    async def ask() -> None:
        journal = Journal(root)
        exports, shares = Exports(journal, Places(root)), []
        path = await exports.make("frames.csv", progress=shares.append)
        assert exports.path("frames.csv") == path == Places(root).exports / "frames.csv"
        assert exports.path("masks.zip") is None
        assert shares[-1] == 1.0
        journal.close()

    asyncio.run(ask())
