"""What the copilot's page says and draws, without a browser."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nicegui")

from emgen.copilot.answer import Answer
from emgen.copilot.journal import Arrival, Journal
from emgen.copilot.news import News
from emgen.copilot.page import distribution, overtime
from emgen.copilot.page.details import foot_words, latency_rows
from emgen.copilot.page.facts import Facts, picture_of
from emgen.copilot.page.header import doing
from emgen.copilot.page.models import comparison
from emgen.copilot.page.notices import adaptation_title, alarm_words
from emgen.copilot.page.numbers import estimate, model_name, plain, seconds
from emgen.copilot.page.picture_panel import about
from emgen.copilot.page.viewer import _follow
from emgen.copilot.sizes import SessionSizes, sizes_of_frame
from emgen.copilot.trend import Latency, Trend
from emgen.testing.instant import Instant

ROW = {
    "id": 7,
    "name": "au",
    "answered_at": 20.0,
    "closed_at": 10.0,
    "received_at": 11.0,
    "width": 1000,
    "height": 800,
    "pixel_size_nm": 0.25,
    "particles": 3,
    "notes": [],
}
COUNTS = {"received": 9, "done": 7, "failed": 1, "skipped": 0, "refused": 2, "duplicates": 1}


def diameters(seed: int, count: int = 80) -> Any:
    return np.random.default_rng(seed).lognormal(np.log(8), 0.3, count)


def test_digits_follow_the_interval() -> None:
    assert estimate({"value": 12.3456, "low": 12.11, "high": 12.52}, "nm") == ("12.3 nm", "12.1 to 12.5")
    assert estimate({"value": 12.3456, "low": 12.3440, "high": 12.3472}, "nm")[0] == "12.346 nm"
    assert estimate({"value": 4.62, "low": 3.1, "high": 7.93}, "nm") == ("4.6 nm", "3.1 to 7.9")
    assert estimate({"value": 12.3456, "low": None, "high": None}, "px") == ("12.3 px", "")


def test_small_and_large_numbers_keep_their_meaning() -> None:
    assert [plain(value) for value in (0.0, 0.00123, 98765.4, None)] == ["0", "0.00123", "98,765", "–"]
    assert [seconds(value) for value in (0.004, 1.5, 75.0)] == ["4 ms", "1.50 s", "75.0 s"]


def test_a_model_is_named_by_the_end_of_its_place_on_any_system() -> None:
    assert model_name({"place": "C:\\runs\\au\\model"}) == "au/model"


def test_the_scale_bar_is_a_round_length_in_the_frames_own_pixels() -> None:
    view = picture_of(ROW)
    assert view["bar_text"] == "50 nm"
    assert view["bar"] == pytest.approx(50 / 0.25)
    assert view["picture"] == "/frames/7/picture.jpg"


def test_without_a_pixel_size_the_scale_bar_is_in_pixels() -> None:
    view = picture_of({**ROW, "pixel_size_nm": None})
    assert (view["bar_text"], view["bar"]) == ("200 px", 200)
    assert "pixel size unknown" in about({**ROW, "pixel_size_nm": None})


def test_both_distributions_are_drawn_in_percent_on_a_logarithmic_axis() -> None:
    session = SessionSizes("nm")
    for seed in range(6):
        session.add(seed, diameters(seed))
    frame = sizes_of_frame(diameters(0), "nm").told()
    option = distribution.option(frame, session.sizes().told())
    assert [sum(bin_[4] for bin_ in series["data"]) for series in option["series"]] == pytest.approx(
        [100, 100], abs=0.1
    )
    for low, high, *_ in option["series"][1]["data"]:
        assert high - low == pytest.approx(1 / 20, abs=1e-4)  # log10
    assert "nm" in option["xAxis"]["name"]
    assert option["xAxis"]["min"] < np.log10(8) < option["xAxis"]["max"]
    json.dumps(option)


def test_a_frame_in_pixels_is_not_drawn_over_a_session_in_nanometres() -> None:
    session = SessionSizes("nm")
    session.add(1, diameters(1))
    option = distribution.option(sizes_of_frame(diameters(0), "px").told(), session.sizes().told())
    assert [len(series["data"]) > 0 for series in option["series"]] == [False, True]
    assert "px" in option["xAxis"]["name"]


def test_an_empty_frame_draws_nothing_and_fails_nothing() -> None:
    option = distribution.option(sizes_of_frame(np.array([]), "nm").told(), None)
    assert all(not series["data"] for series in option["series"])


def test_lines_against_time_leave_gaps_where_a_frame_has_no_mean() -> None:
    trend = Trend()
    trend.add(at=100.0, mean=8.0, low=7.5, high=8.5, particles=40, coverage=0.2, domain=None)
    trend.add(at=101.0, mean=None, low=None, high=None, particles=0, coverage=0.0, domain=None)
    option = overtime.option(trend.told(), "nm", looked_at=101.0)
    source = option["dataset"]["source"]
    assert source["mean"] == [8.0, None]
    assert source["width"] == [1.0, None]
    assert source["coverage"] == [20.0, 0.0]
    assert source["at"] == [100_000, 101_000]
    assert [series["markLine"]["data"] for series in option["series"][2:]] == [[{"xAxis": 101_000}]] * 3


def test_charts_against_time_have_one_width_and_room_for_their_names() -> None:
    option = overtime.option(Trend().told(), "nm")
    assert len({(grid[":left"], grid[":right"], grid["outerBoundsMode"]) for grid in option["grid"]}) == 1
    edges = [(float(grid["top"].rstrip("%")), float(grid["height"].rstrip("%"))) for grid in option["grid"]]
    ends = [0.0, *(top + height for top, height in edges)]
    assert all(top - end >= 9 for (top, _), end in zip(edges, ends, strict=False))
    assert all(axis["nameTextStyle"]["verticalAlign"] == "bottom" for axis in option["yAxis"])


def test_latency_begins_with_what_a_user_waits_for() -> None:
    latency = Latency()
    for stage in ("segment", "page", "novel", "closed to answer", "closed to page"):
        latency.add({stage: 0.25})
    rows = latency_rows(latency.told())
    names = [row["cells"][0] for row in rows]
    assert names == ["File closed to answer", "File closed to page", "Answer to page", "Segmenting", "Novel"]
    assert [row["strong"] for row in rows] == [True, True, True, False, False]
    assert rows[0]["cells"][1:] == ["250 ms", "250 ms", "250 ms", "1"]


def test_the_last_line_counts_everything_that_came_in() -> None:
    counts, wait = foot_words({"counts": COUNTS, "waiting": 1, "latency": {}})
    assert counts == "Received 9 · answered 7 · waiting 1 · skipped 0 · set aside 3 · 1 duplicate"
    assert wait == ""
    told = {"p50": 0.4, "p95": 0.6, "p99": 0.8}
    _, wait = foot_words({"counts": COUNTS, "waiting": 1, "latency": {"closed to page": told}})
    assert wait == "File closed to page: 400 ms (95 % within 600 ms, 99 % within 800 ms)"


def test_an_alarm_says_since_when_and_what_differs() -> None:
    alarm = {"raised": True, "since": 9, "words": ["particles are blurred"], "false_alarms": 0.01}
    title, text = alarm_words(alarm)
    assert "since frame 9" in title
    assert text.startswith("Particles are blurred.")
    assert "1.0 %" in text
    assert alarm_words({**alarm, "raised": False}) == ("", "")


def test_what_the_service_is_doing_is_said_in_a_few_words() -> None:
    session = {"waiting": 2, "stalled": "", "paused": False, "answering": 5}
    assert doing(session) == "Answering frame 5, 2 frames waiting"
    assert doing({**session, "paused": True}) == "Paused, 2 frames waiting"
    assert doing({**session, "stalled": "full"}) == "Intake waits, 2 frames waiting"


def test_a_comparison_names_the_difference_with_its_interval() -> None:
    found = {"new": 0.9, "old": 0.7, "difference": 0.2, "low": 0.15, "high": 0.25, "accepted": True, "why": ""}
    assert ("Difference", "0.200 (0.150 to 0.250, 95 %)") in comparison(found)


def test_an_adaptation_is_told_of_from_its_start_to_its_use() -> None:
    told = {"state": "running", "comparison": None}
    assert adaptation_title(told) == "A new model is being made"
    assert adaptation_title({**told, "state": "idle"}) == ""
    assert adaptation_title({"state": "idle", "comparison": {"accepted": True}}) == "The adapted model answers now"


@pytest.fixture
def facts(tmp_path: Path) -> Any:
    """Of a session with frames 1 to 4, of which 3 is set aside."""
    journal = Journal(tmp_path)
    for number in range(1, 5):
        arrival = Arrival("http", f"{number}.tif", 1)
        journal.accept(
            arrival, digest=str(number), stored=str(number), frames=[arrival.name], header={}, closed_at=None
        )
        if number == 3:
            journal.fail(number, "unreadable")
            continue
        journal.answer(_answer(number), 1)
    yield Facts(SimpleNamespace(journal=journal, sizes_of=lambda frame: None))  # type: ignore[arg-type]
    journal.close()


def _answer(number: int) -> Answer:
    return Answer(
        frame=number,
        name=str(number),
        shape_HW=(8, 8),
        factor=1.0,
        pixel_size_nm=None,
        particles=0,
        diameter_K=np.array([], np.float32),
        coverage=0.0,
        table=b"",
        seconds={},
    )


def test_the_slider_stands_on_answered_frames_only(facts: Facts) -> None:
    async def look() -> None:
        assert [await facts.near(number) for number in (0, 1, 3, 9)] == [1, 1, 2, 4]

    asyncio.run(look())


def test_arrow_keys_pass_over_what_was_set_aside_and_stop_at_the_ends(facts: Facts) -> None:
    async def look() -> None:
        assert await facts.stepped(2, 1) == 4
        assert await facts.stepped(4, -1) == 2
        assert await facts.stepped(4, -10) == 1
        assert await facts.stepped(4, 1) == 4

    asyncio.run(look())


def test_a_frame_that_was_set_aside_is_not_shown(facts: Facts) -> None:
    async def look() -> None:
        assert await facts.frame(3) is None
        shown = await facts.frame(4)
        assert shown is not None
        assert shown.number == 4

    asyncio.run(look())


def test_a_page_follows_at_once_and_survives_a_fault() -> None:
    async def look() -> None:
        news, seen = News(), []

        async def work() -> bool:
            seen.append(news.count)
            if len(seen) == 2:
                raise RuntimeError("once")
            return False

        task = asyncio.create_task(_follow(news, work, 0.0, rest_s=0.0))
        for _ in range(3):
            await asyncio.sleep(0.01)
            news.tell()
        await asyncio.sleep(0.01)
        task.cancel()
        assert seen[0] == 0
        assert seen[-1] == 3

    asyncio.run(look())


def test_fast_frames_are_shown_now_and_then_and_the_last_one_always() -> None:
    async def look() -> None:
        news, seen = News(), []

        async def work() -> bool:
            seen.append(news.count)
            return True

        task = asyncio.create_task(_follow(news, work, 0.05))
        for _ in range(20):
            news.tell()
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.15)
        task.cancel()
        assert len(seen) <= 4
        assert seen[-1] == 20

    asyncio.run(look())


@pytest.mark.parametrize("side", [64, 256])
def test_the_instant_model_finds_bright_discs(side: int) -> None:
    rows, columns = np.ogrid[:side, :side]
    image_HW = np.full((side, side), 0.2, np.float32)
    for y, x in ((16, 16), (16, 44), (44, 30)):
        image_HW[(rows - y) ** 2 + (columns - x) ** 2 <= 36] = 0.9
    label_HW = Instant().segment(image_HW).label_HW
    assert label_HW.dtype == np.int32
    assert label_HW.max() == 3
    assert {int(label_HW[y, x]) for y, x in ((16, 16), (16, 44), (44, 30))} == {1, 2, 3}
