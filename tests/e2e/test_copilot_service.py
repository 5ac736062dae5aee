"""The service as users run it: a process of its own, a watched folder, kills in between."""

from __future__ import annotations

import json
import os
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from emgen.testing.copilot_trial import Running, faulty_session


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "in").mkdir()
    with Running(tmp_path / "session", watch=tmp_path / "in") as running:
        yield running


def an_image(seed: int) -> np.ndarray:
    image_HW = np.random.default_rng(seed).integers(0, 40, (96, 96), np.uint8)
    image_HW[20:32, 30:42] += 180
    image_HW[60:70, 50:60] += 180
    return image_HW


def post(service: Running, seed: int, name: str = "raw", **facts: object) -> dict[str, object]:
    image_HW = an_image(seed)
    header = {"name": name, "shape": image_HW.shape, "dtype": "|u1", "pixel_size_nm": 0.5, **facts}
    answer: dict[str, object] = service.post("/frames", image_HW.tobytes(), {"X-Emgen-Frame": json.dumps(header)})
    return answer


def test_frames_from_a_folder_and_by_http_become_particles(service: Running, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in" / "one.tif", an_image(1))
    post(service, 2)
    assert post(service, 2)["known"] is True
    session = service.until(lambda now: now["counts"]["done"] == 2, 30, "two answers")
    assert session["counts"]["duplicates"] == 0, "what is known is told so before it is journalled again"
    assert session["sizes"]["unit"] == "nm"
    one, raw = sorted(service.frames(), key=lambda row: row["name"])
    assert (one["name"], one["particles"], one["pixel_size_nm"]) == ("one", 2, None)
    assert raw["mean_diameter_nm"] == pytest.approx(0.5 * raw["mean_diameter_px"])
    assert 10 < raw["mean_diameter_px"] < 14
    detail = service.get(f"/frames/{raw['id']}")
    assert detail["sizes"]["particles"] == 2
    assert {"segment", "measure", "read"} <= set(detail["seconds"])


def test_every_good_frame_once_and_every_bad_one_set_aside_whatever_is_killed(tmp_path: Path) -> None:
    account = faulty_session(tmp_path, frames=60, kills=2)
    assert account.owed > 40
    assert account.set_aside > 3
    assert account.is_clean, account


def test_the_process_that_segments_may_die(service: Running) -> None:
    post(service, 1)
    service.until(lambda now: now["counts"]["done"] == 1, 30)
    children = [int(pid) for pid in Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()]
    for pid in children:
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, 9)
    post(service, 2)
    session = service.until(lambda now: now["counts"]["done"] == 2, 30, "an answer by a new process")
    assert session["counts"]["failed"] == 0


def test_no_process_is_left_behind_after_a_kill(service: Running) -> None:
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    service.kill()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_a_paused_session_journals_and_answers_later(service: Running) -> None:
    service.post("/pause")
    for seed in range(4):
        post(service, seed)
    time.sleep(0.5)
    session = service.get("/session")
    assert (session["waiting"], session["counts"]["done"], session["paused"]) == (4, 0, True)
    service.post("/policy/newest")
    service.post("/resume")
    session = service.until(lambda now: now["waiting"] == 0, 30)
    assert session["counts"]["skipped"] == 3
    assert service.post("/skipped/process") == {"frames": 3}
    service.until(lambda now: now["counts"]["done"] == 4, 30, "the skipped ones")


def test_models_swap_between_two_frames_and_back(service: Running) -> None:
    post(service, 1)
    service.until(lambda now: now["counts"]["done"] == 1, 30)
    swapped = service.post("/model", json.dumps({"place": "another"}).encode(), {"Content-Type": "application/json"})
    post(service, 2)
    service.until(lambda now: now["counts"]["done"] == 2, 30)
    assert [row["model"] for row in service.frames()] == [1, swapped["model"]] == [1, 2]
    assert service.post("/model/back")["model"] == 3
    models = [row["data"]["place"] for row in _events(service) if row["kind"] == "model"]
    assert models == ["instant", "another", "instant"]


def _events(service: Running) -> list[dict[str, object]]:
    from emgen.copilot.journal import Journal

    return Journal(service.root).events(0)


def test_one_service_a_session(service: Running) -> None:
    with pytest.raises(RuntimeError, match="another service has this session open"):
        Running(service.root).start()


def test_a_restart_shows_the_same_numbers(service: Running) -> None:
    for seed in range(8):
        post(service, seed)
    before = service.until(lambda now: now["sizes"]["frames"] == 8, 30)  # counted just after it is journalled
    trend = service.get("/trend")
    service.kill()
    service.start()
    after = service.get("/session")
    assert after["sizes"] == before["sizes"]
    assert before["sizes"]["mean"]["low"] < before["sizes"]["mean"]["value"] < before["sizes"]["mean"]["high"]
    assert service.get("/trend") == trend
    assert service.post("/count-from/6") == {"counted_from": 6}
    assert service.get("/session")["sizes"]["frames"] == 3


def test_a_model_is_swapped_while_paused(service: Running) -> None:
    service.post("/pause")
    service.post("/model", json.dumps({"place": "another"}).encode(), {"Content-Type": "application/json"})
    assert service.get("/session")["model"]["place"] == "another"


def test_without_room_nothing_is_taken_and_the_session_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with Running(tmp_path / "session", watch=tmp_path / "in", reserve=10**18) as service:
        with pytest.raises(urllib.error.HTTPError) as full:
            post(service, 1)
        assert full.value.code == 507
        assert int(full.value.headers["Retry-After"]) > 0
        assert "are kept for results" in service.get("/session")["stalled"]
        tifffile.imwrite(tmp_path / "in" / "one.tif", an_image(1))
        time.sleep(1)
        counts = service.get("/session")["counts"]
        assert (counts["received"], counts["refused"]) == (0, 0), "it waits for room, and is not set aside"


def test_the_client_comes_from_the_service(service: Running, tmp_path: Path) -> None:
    import subprocess
    import sys
    import urllib.request

    with urllib.request.urlopen(f"{service.url}/client.py") as answer:
        (tmp_path / "client.py").write_bytes(answer.read())
    tifffile.imwrite(tmp_path / "in" / "one.tif", an_image(1))
    sent = (
        "import client, sys; copilot = client.Client(sys.argv[1]);"
        "print(copilot.send_file(sys.argv[2])['frames'], copilot.session()['counts']['received'])"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {sent}"]
    ran = subprocess.run(
        [*command, service.url, str(tmp_path / "in" / "one.tif")], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["[1]", "1"]


@pytest.mark.slow
def test_the_service_adapts_to_another_way_of_imaging(tmp_path: Path) -> None:
    """The shipped model, bright-field frames: it finds nothing, adapts beside its answers, and finds them."""
    from emgen.copilot.answering import OPENER
    from emgen.copilot.simulator import simulate, simulation

    settings = simulation(
        size_px=320, particles=20, diameter_px=26, frames=16, interval_s=0, modality="bf-tem", seed=2, labels=False
    )
    simulate(tmp_path / "in", settings, truth=tmp_path / "truth")
    with Running(tmp_path / "session", model="pretrained", opener=OPENER, watch=tmp_path / "in") as service:
        session = service.until(lambda now: now["counts"]["done"] == 16, 120)
        assert session["alarm"]["raised"]
        service.post("/adaptation/start", b'{"minutes": 5}', {"Content-Type": "application/json"})
        session = service.until(lambda now: now["adaptation"]["state"] in ("compared", "failed"), 300, "an adaptation")
        assert session["adaptation"]["comparison"]["accepted"], session["adaptation"]
        assert session["adaptation"]["modality"] == "bf-tem"
        session = service.until(lambda now: now["model"]["id"] == 2, 60, "the swap")
        again = simulation(**{**settings.model_dump(), "seed": 3, "frames": 2, "stem": "later"})
        simulate(tmp_path / "in", again, truth=tmp_path / "truth-later")
        service.until(lambda now: now["counts"]["done"] == 18, 60)
        found = [row for row in service.frames() if row["model"] == 2]
        assert len(found) == 2
        for row in found:
            assert 12 <= row["particles"] <= 28
            assert 20 <= row["mean_diameter_px"] <= 32
