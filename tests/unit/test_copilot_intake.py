"""What may come in, under which name, and what happens when the disk is full."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from emgen.copilot.header import Header
from emgen.copilot.intake import Intake, header_of
from emgen.copilot.journal import Arrival, Journal
from emgen.copilot.places import Places
from emgen.copilot.stalls import DiskFullError
from emgen.copilot.uploads import Stand, TooLargeError, Uploads, WrongOffsetError
from emgen.errors import DataError
from emgen.host import load_host


@pytest.fixture
def session(tmp_path: Path) -> SimpleNamespace:
    places = Places(tmp_path / "session")
    places.make()
    journal = Journal(places.root)
    intake = Intake(journal, places, load_host(), reserve=0)
    return SimpleNamespace(
        places=places, journal=journal, intake=intake, uploads=Uploads(journal, places, intake, limit=1_000_000)
    )


def a_picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (40, 48), np.uint8)


def a_file(folder: Path, name: str = "a.tif", seed: int = 0) -> Path:
    tifffile.imwrite(folder / name, a_picture(seed))
    return folder / name


def take_whole(session: SimpleNamespace, data: bytes, header: Header) -> Stand:
    with session.uploads.body(len(data)) as body:
        body.write(data)
        body.end()
        return session.uploads.take_whole(body, header)


def add(session: SimpleNamespace, digest: str, offset: int, data: bytes, header: Header) -> Stand:
    with session.uploads.body(len(data)) as piece:
        piece.write(data)
        piece.end()
        return session.uploads.add(digest, offset, piece, header)


def files(session: SimpleNamespace) -> list[Path]:
    return [path for path in session.places.frames.rglob("*") if path.is_file()]


def test_a_watched_file_is_copied_and_queued(session: SimpleNamespace, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    taken = session.intake.take_file(path, Arrival("folder", "a.tif", 1, 2), Header(name="a.tif"), 5.0)
    path.unlink()
    task = session.journal.next_task(newest=False)
    assert taken.frames == [task.frame]
    assert task.name == "a"
    assert task.closed_at == 5.0
    assert np.array_equal(tifffile.imread(session.places.frame_file(task.stored)), a_picture())
    assert not list(session.places.uploads.iterdir())


def test_the_same_content_under_another_name_is_known(session: SimpleNamespace, tmp_path: Path) -> None:
    shutil.copy(a_file(tmp_path), tmp_path / "b.tif")
    for name in ("a.tif", "b.tif"):
        taken = session.intake.take_file(tmp_path / name, Arrival("folder", name, 1, 2), Header(name=name))
    assert taken.is_known
    assert session.journal.counts()["received"] == 1
    assert len(files(session)) == 1


@pytest.mark.parametrize("content", [b"", b"garbage", b"II*\0" + b"\0" * 40])
def test_what_no_reader_accepts_leaves_nothing_behind(session: SimpleNamespace, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.tif") as told:
        session.intake.take_file(path, Arrival("folder", "bad.tif"), Header(name="bad.tif"))
    assert str(session.places.root) not in str(told.value)
    assert not files(session)


def test_a_file_that_was_cut_off_is_refused(session: SimpleNamespace, tmp_path: Path) -> None:
    whole = a_file(tmp_path).read_bytes()
    path = tmp_path / "half.tif"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError):
        session.intake.take_file(path, Arrival("folder", "half.tif"), Header(name="half.tif"))


@pytest.mark.parametrize(
    "name", ["../../evil.tif", "/etc/passwd.tif", "..\\..\\evil.tif", "a/b/c.tif", "x" * 900 + ".tif"]
)
def test_names_never_become_paths(session: SimpleNamespace, tmp_path: Path, name: str) -> None:
    data = a_file(tmp_path).read_bytes()
    take_whole(session, data, Header(name=name))
    (stored,) = files(session)
    digest = hashlib.sha256(data).hexdigest()
    assert stored == session.places.frames / digest[:2] / f"{digest}.tif"


def test_a_raw_array_is_read_as_any_other_file(session: SimpleNamespace) -> None:
    from emgen.data.stack import open_file

    image_HW = np.random.default_rng(0).integers(0, 60_000, (40, 48)).astype(">u2")
    header = Header(name="raw", shape=(40, 48), dtype=">u2", pixel_size_nm=0.25)
    take_whole(session, image_HW.tobytes(), header)
    (stored,) = files(session)
    micrograph = open_file(stored, load_host())[0]
    assert np.array_equal(micrograph.image_HW, image_HW)
    assert micrograph.pixel_size_nm == pytest.approx(0.25)


@pytest.mark.parametrize("dtype", ["|u1", "<f2", "<f4", "<f8", "<i4", "<u4", "<i2"])
def test_raw_arrays_of_every_kind(session: SimpleNamespace, dtype: str) -> None:
    image_HW = (np.random.default_rng(0).random((40, 48)) * 100).astype(dtype)
    stand = take_whole(session, image_HW.tobytes(), Header(name="raw", shape=(40, 48), dtype=dtype))
    assert stand.frames == (1,)


def test_a_raw_array_of_the_wrong_size_is_set_aside(session: SimpleNamespace) -> None:
    with pytest.raises(DataError, match="1919 bytes; an array of 40 x 48 uint8 has 1920"):
        take_whole(session, bytes(1919), Header(name="raw", shape=(40, 48), dtype="|u1"))
    assert session.journal.counts()["refused"] == 1


@pytest.mark.parametrize(
    ("facts", "field"),
    [({"shape": [4, 4]}, "shape"), ({"nome": "x"}, "nome"), ({"pixel_size_nm": -1}, "pixel_size_nm"),
     ({"shape": [0, 4], "dtype": "|u1"}, "shape"), ({"shape": [4, 4], "dtype": "|O"}, "dtype")],
)  # fmt: skip
def test_a_wrong_header_names_its_field(facts: dict[str, object], field: str) -> None:
    with pytest.raises(DataError, match=field):
        header_of(facts)


def test_an_upload_goes_on_where_it_broke(session: SimpleNamespace, tmp_path: Path) -> None:
    data = a_file(tmp_path).read_bytes()
    digest, header = hashlib.sha256(data).hexdigest(), Header(name="a.tif", size=len(data))
    assert add(session, digest, 0, data[:100], header).told()["state"] == "partial"
    with pytest.raises(WrongOffsetError) as wrong:
        add(session, digest, 0, data[:100], header)
    assert wrong.value.offset == session.uploads.stand(digest).offset == 100
    assert add(session, digest, 100, data[100:], header).told() == {
        "offset": len(data), "state": "accepted", "frames": [1], "known": False,
    }  # fmt: skip
    assert add(session, digest, 0, data, header).is_known
    assert session.journal.counts()["received"] == 1


def test_an_upload_that_was_damaged_begins_anew(session: SimpleNamespace, tmp_path: Path) -> None:
    data = a_file(tmp_path).read_bytes()
    digest, header = hashlib.sha256(data).hexdigest(), Header(name="a.tif", size=len(data))
    with pytest.raises(WrongOffsetError) as wrong:
        add(session, digest, 0, bytes(len(data)), header)
    assert wrong.value.offset == 0
    assert add(session, digest, 0, data, header).state == "accepted"


def test_an_upload_is_not_larger_than_allowed(session: SimpleNamespace) -> None:
    with pytest.raises(TooLargeError, match="1000001 bytes; the service takes 1000000"):
        add(session, "0" * 64, 0, b"x", Header(name="a.tif", size=1_000_001))


@pytest.mark.parametrize("digest", ["../x", "A" * 64, "0" * 63, ""])
def test_only_digests_name_uploads(session: SimpleNamespace, digest: str) -> None:
    with pytest.raises(DataError, match="SHA-256"):
        session.uploads.stand(digest)


def test_a_full_disk_takes_nothing_and_loses_nothing(
    session: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = a_file(tmp_path).read_bytes()
    digest, header = hashlib.sha256(data).hexdigest(), Header(name="a.tif", size=len(data))
    usage = shutil.disk_usage(tmp_path)
    add(session, digest, 0, data[:100], header)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
        full.setattr(session.intake, "_reserve", 1000)
        with pytest.raises(DiskFullError, match="are free"):
            add(session, digest, 100, data[100:], header)
        with pytest.raises(DiskFullError):
            session.intake.take_file(tmp_path / "a.tif", Arrival("folder", "a.tif"), Header(name="a.tif"))
    assert add(session, digest, 100, data[100:], header).state == "accepted"
    assert session.journal.counts()["refused"] == 0
