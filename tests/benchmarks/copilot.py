"""Trials of the live service: ``python tests/benchmarks/copilot.py latency|faults|endurance|change [--json FILE]``.

latency    the shipped model, a simulated microscope and a browser on this machine: closed file to result on the page
faults     half-written, garbage, empty, renamed … files and kills in between: what became of each frame
endurance  very many frames: memory and time per frame as the session grows
change     another imaging modality in the middle: alarm, adaptation, F1 against the truth, gaps in the answers
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from emgen.copilot.answering import OPENER
from emgen.testing.copilot_trial import Running, faulty_session

REAL = {"model": "pretrained", "opener": OPENER}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", choices=["latency", "faults", "endurance", "change"])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--folder", type=Path, help="work there, and leave it there")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--size", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--real", action="store_true", help="endurance: the shipped model in place of an instant one")
    parser.add_argument("--every", type=float, help="seconds from frame to frame")
    parser.add_argument("--minutes", type=float, default=15.0, help="change: of the adaptation")
    parser.add_argument("--no-browser", action="store_true")
    chosen = parser.parse_args()
    with _folder(chosen.folder) as folder:
        result = {"latency": latency, "faults": faults, "endurance": endurance, "change": change}[chosen.trial](
            folder, chosen
        )
    print(json.dumps(result, indent=1))
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1))
    return 0


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        shutil.rmtree(given, ignore_errors=True)
        given.mkdir(parents=True)
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def _simulator(out: Path, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "emgen", "copilot", "simulate", "--out", str(out)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    return subprocess.Popen(command)


@contextmanager
def _browser(url: str, wanted: bool) -> Iterator[None]:
    """A real one that has the page open."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not wanted or found is None:
        yield
        return
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--window-size=1280,720",
        ]
        opened = subprocess.Popen(
            [found, *options, "--remote-debugging-port=0", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            time.sleep(5)
            yield
        finally:
            opened.terminate()
            opened.wait()


def latency(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    frames, watched = chosen.frames or 300, folder / "in"
    watched.mkdir()
    with Running(folder / "session", watch=watched, page=True, **REAL) as service:
        with _browser(service.url, not chosen.no_browser):
            microscope = _simulator(
                watched,
                truth=folder / "truth",
                frames=frames,
                every=chosen.every or 2.0,
                size=chosen.size or 2048,
                seed=chosen.seed,
                growth=0.03,
                coalescences=1,
                no_truth_labels=True,
            )
            microscope.wait()
            service.until(lambda now: now["counts"]["done"] >= frames, 120, "an answer to every frame")
            time.sleep(2)
            session = service.get("/session")
        rows = {row["file_name"]: row for row in service.frames()}
    return {
        "counts": session["counts"],
        "latency": session["latency"],
        "late frames": _late(folder / "truth"),
        "sizes": _against_truth(folder / "truth", rows, session),
    }


def _late(truth: Path) -> dict[str, float]:
    import pandas as pd

    late = pd.read_csv(truth / "truth.csv")["late_s"]
    return {"by more than 0.1 s": int((late > 0.1).sum()), "latest_s": float(late.max())}


def _against_truth(truth: Path, rows: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
    """The session's distribution against that of the particles that were there, and frame by frame."""
    import pandas as pd

    frames = pd.read_csv(truth / "truth.csv")
    particles = pd.read_csv(truth / "truth_particles.csv")
    whole = particles[~particles["border"].astype(bool)]["diameter_px"].to_numpy()
    size = next(row["pixel_size_nm"] for row in rows.values())
    both = [(rows[row.file], row) for row in frames.itertuples() if row.file in rows]
    ratio = [found["mean_diameter_px"] / true.mean_diameter_px for found, true in both if found["mean_diameter_px"]]
    count = [found["particles"] / true.particles for found, true in both]
    sizes = session["sizes"]
    return {
        "mean nm": {"true": float(whole.mean() * size), "found": sizes["mean"]},
        "median nm": {"true": float(np.median(whole) * size), "found": sizes["median"]},
        "d10, d90 nm": {
            "true": (np.quantile(whole, (0.1, 0.9)) * size).tolist(),
            "found": [sizes["d10"], sizes["d90"]],
        },
        "mean of a frame, found over true": _quartiles(ratio),
        "number of a frame, found over true": _quartiles(count),
        "mean diameter over time, correlation": float(
            np.corrcoef(*zip(*[(f["mean_diameter_px"], t.mean_diameter_px) for f, t in both], strict=True))[0, 1]
        ),
    }


def _quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    return {"p5": float(low), "median": float(middle), "p95": float(high)}


def faults(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    account = faulty_session(
        folder / "trial", frames=chosen.frames or 1000, kills=chosen.kills, size_px=chosen.size or 64, seed=chosen.seed,
        interval_s=chosen.every or 0.15,
    )  # fmt: skip
    return {**vars_of(account), "every good frame once, every bad one set aside": account.is_clean}


def vars_of(account: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(account)


def endurance(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Posts frames as fast as they are taken; memory of all processes of the service every hundredth of the way."""
    import http.client

    frames, side = chosen.frames or 100_000, chosen.size or 64
    images = _few_frames(side, chosen.seed)
    header = {"shape": [side, side], "dtype": "<u2", "pixel_size_nm": 0.2}
    marks: list[dict[str, float]] = []
    with Running(folder / "session", page=True, **(REAL if chosen.real else {})) as service:
        line = http.client.HTTPConnection("127.0.0.1", service.port)
        rng, begun, step = np.random.default_rng(chosen.seed), time.monotonic(), max(1, frames // 100)
        for n in range(frames):
            image = images[n % len(images)].copy()
            image.ravel()[:4] = rng.integers(0, 60_000, 4)  # no two frames are the same
            text = json.dumps({**header, "name": f"frame-{n:06d}"})
            line.request("POST", "/frames", image.tobytes(), {"X-Emgen-Frame": text})
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            if n % 400 == 399:  # as fast as they are answered; asking costs the service some hundredths of a second
                service.until(lambda now: now["waiting"] < 200, 600, "keeping up")
            if n % step == step - 1:
                session = service.until(lambda now: now["waiting"] < 20, 600, "keeping up")
                marks.append(_mark(service.pid, n + 1, time.monotonic() - begun, session))
        session = service.until(lambda now: now["counts"]["done"] == frames, 600, "the last answer")
    return {
        "frames": frames,
        "marks": marks,
        **_slopes(marks),
        "counts": session["counts"],
        "latency": session["latency"],
    }


def _few_frames(side: int, seed: int) -> list[Any]:
    from emgen.copilot.simulator import frames, simulation

    particles = max(3, round(side**2 / 7000))
    settings = simulation(
        size_px=side, particles=particles, diameter_px=max(8, min(28, side / 6)), frames=16, seed=seed, drift=2.0
    )
    return [frame.image_HW for frame in frames(settings)]


def _mark(pid: int, frames: int, seconds: float, session: dict[str, Any]) -> dict[str, float]:
    """``seconds`` since the first frame; memory in MiB, of the service and of all its processes together."""
    own, everything = _rss(pid), sum(_rss(each) for each in _family(pid))
    p50 = session["latency"].get("closed to answer", {}).get("p50", float("nan"))
    return {"frames": frames, "seconds": seconds, "service": own, "all": everything, "closed to answer p50": p50}


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def _slopes(marks: list[dict[str, float]]) -> dict[str, Any]:
    """From a tenth of the way on, when everything is loaded."""
    late = marks[len(marks) // 10 :]
    frames = np.array([mark["frames"] for mark in late])
    seconds = np.array([mark["seconds"] for mark in late])
    each = np.diff(seconds) / np.diff(frames)
    slope = lambda values, x=frames: float(np.polyfit(x, values, 1)[0])
    return {
        "memory, bytes a frame": {name: slope([mark[name] for mark in late]) * 2**20 for name in ("service", "all")},
        "ms a frame": {"first tenth": float(np.mean(each[: len(each) // 10 + 1]) * 1000),
                       "last tenth": float(np.mean(each[-(len(each) // 10 + 1) :]) * 1000),
                       "slope, ms per 1,000 frames": slope(each * 1000, frames[1:]) * 1000},
    }  # fmt: skip


def change(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """HAADF-STEM, from the 41st frame on BF-TEM; on alarm the adaptation is asked for, once."""
    side, every, before = chosen.size or 1024, chosen.every or 4.0, 40
    watched, truth = folder / "in", folder / "truth"
    watched.mkdir()
    asked: dict[str, float] = {}
    with Running(folder / "session", watch=watched, adapt_minutes=chosen.minutes, **REAL) as service:
        microscope = _simulator(
            watched, truth=truth, frames=0, every=every, size=side, particles=round(side**2 / 7000), seed=chosen.seed,
            change_at=before + 1, change_to="bf-tem", growth=0.02, coalescences=0.3,
        )  # fmt: skip
        follower = threading.Thread(target=_adapt_on_alarm, args=(service, asked), daemon=True)
        follower.start()
        try:
            until = time.monotonic() + 60 * (chosen.minutes + 15) + before * every
            while "settled" not in asked and time.monotonic() < until:
                time.sleep(1)
            time.sleep(30 * every)  # frames with the new model
        finally:
            microscope.terminate()
            microscope.wait()
        service.until(lambda now: now["waiting"] == 0, 120)
        rows, events = service.frames(), _events(service)
        return _told(service, rows, events, truth, before, asked)


def _adapt_on_alarm(service: Running, asked: dict[str, float]) -> None:
    headers = {"Content-Type": "application/json"}
    while True:
        time.sleep(0.5)
        try:
            session = service.get("/session")
        except OSError:
            return
        if session["alarm"]["raised"] and "started" not in asked:
            rows = session["counts"]["done"]
            if session["alarm"]["since"] is not None and rows >= session["alarm"]["since"] + 23:
                service.post("/adaptation/start", b"{}", headers)  # as a user would, with frames enough of the new kind
                asked["started"] = time.time()
                continue
        if "started" in asked and session["adaptation"]["state"] != "running":
            asked["settled"] = time.time()
            asked["state"] = session["adaptation"]
            return


def _events(service: Running) -> list[dict[str, Any]]:
    from emgen.copilot.journal import Journal

    journal, found = Journal(service.root), []
    while rows := journal.events(found[-1]["id"] if found else 0):
        found += rows
    return found


def _told(
    service: Running, rows: list[dict[str, Any]], events: list[dict[str, Any]], truth: Path, before: int, asked: Any
) -> dict[str, Any]:
    import tifffile

    from emgen.copilot.places import Places
    from emgen.particles import match_objects

    places, scored = Places(service.root), []
    for row in rows:
        if row["state"] != "done":
            continue
        true = truth / f"{Path(row['file_name']).stem}_labels.tif"
        matches = match_objects(
            tifffile.imread(places.labels_file(row["id"])).astype(np.int32), tifffile.imread(true).astype(np.int32)
        )
        scored.append((row, matches.f1))
    swaps = [row for row in events if row["kind"] == "model"]
    alarms = [row["data"] for row in events if row["kind"] == "alarm"]
    raised = [alarm["frame"] for alarm in alarms if alarm["raised"]]
    phase = lambda row: "before" if row["id"] <= before else ("during" if row["model"] == 1 else "after")
    f1 = {name: [value for row, value in scored if phase(row) == name] for name in ("before", "during", "after")}
    answered = sorted(row["answered_at"] for row, _ in scored)
    gaps = np.diff(answered)
    return {
        "frames": {name: len(values) for name, values in f1.items()},
        "object F1, median": {name: float(np.median(values)) if values else None for name, values in f1.items()},
        "alarm after frames of the new kind": raised[0] - before if raised and raised[0] > before else None,
        "alarms before the change": sum(frame <= before for frame in raised),
        "frames outside before the change": sum(
            row["domain_score"] is not None and row["domain_score"] > alarms[0]["threshold"]
            for row, _ in scored if row["id"] <= before
        ) if alarms else None,
        "adaptation": asked.get("state"),
        "minutes of adaptation": (asked["settled"] - asked["started"]) / 60 if "settled" in asked else None,
        "models": [row["data"]["why"] for row in swaps],
        "longest gap in answers, s": float(gaps.max()),
        "closed to answer, s": service.get("/session")["latency"]["closed to answer"],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
