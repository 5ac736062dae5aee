"""Trials of the live service as users run it: another process, a watched folder, kills in between.

For tests and benchmarks. ``Running`` is the service in a process of its own; ``faulty_session`` lets a simulated
microscope write good and bad files while the service is killed, and says what became of each frame.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INSTANT = "emgen.testing.instant:open_model"
_START_S = 120.0


def main() -> None:
    """``python -m emgen.testing.copilot_trial SETTINGS``: serves with ``Settings`` given as JSON."""
    from emgen.copilot.serve import serve
    from emgen.copilot.settings import Settings
    from emgen.host import load_host

    given = json.loads(sys.argv[1])
    for name in ("root", "watch"):
        if given.get(name):
            given[name] = Path(given[name])
    serve(Settings(**given), load_host(), lambda line: print(line, flush=True))


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


class Running:
    """A service on ``url``; ``settings`` as ``emgen.copilot.settings.Settings``, paths as text or ``Path``."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root, self.port = root, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = {
            "model": "instant",
            "opener": INSTANT,
            "root": root,
            "port": self.port,
            "reserve": 0,
            "page": False,
        } | settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Running:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns once it answers. Raises ``RuntimeError`` with what it said where it does not."""
        self.root.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "emgen.testing.copilot_trial", json.dumps(self._settings, default=str)]
        log = self.root / "service.log"
        with log.open("ab") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=said)
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            try:
                self.get("/session")
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the service did not come up:\n{log.read_text()[-3000:]}")

    def kill(self) -> None:
        """``kill -9``."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def get(self, path: str) -> Any:
        """JSON. Raises ``OSError``."""
        with _OPENER.open(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, data: bytes = b"", headers: Mapping[str, str] | None = None) -> Any:
        """JSON. Raises ``OSError``."""
        request = urllib.request.Request(self.url + path, data, dict(headers or {}), method="POST")
        with _OPENER.open(request, timeout=60) as answer:
            return json.load(answer)

    def until(self, true: Any, timeout_s: float, what: str = "that") -> dict[str, Any]:
        """The session once ``true(session)``. Raises ``TimeoutError``."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            session: dict[str, Any] = self.get("/session")
            if true(session):
                return session
            time.sleep(0.1)
        raise TimeoutError(f"{what} did not happen in {timeout_s} s: {json.dumps(self.get('/session'))[:2000]}")

    def frames(self) -> list[dict[str, Any]]:
        """All of them."""
        found: list[dict[str, Any]] = []
        while more := self.get(f"/frames?limit=1000&after={found[-1]['id'] if found else 0}"):
            found += more
        return found


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Account:
    """What became of a session with faults.

    Attributes
    ----------
    owed: good frames. answered: names of files that were answered, one per answer. lost, doubled: numbers of good
        frames without an answer, and with more than one. wrong: bad files that were answered. unexplained: bad files
        that are neither answered nor set aside with a reason. kills: so many. counts: the service's own.
    """

    owed: int
    answered: int
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    set_aside: int = 0
    kills: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.unexplained)


def faulty_session(folder: Path, *, frames: int, kills: int, **simulation: Any) -> Account:
    """Writes ``frames`` with faults to a watched folder while the service is killed ``kills`` times."""
    from emgen.copilot.simulator import owed, simulate
    from emgen.copilot.simulator import simulation as settings_of

    given = {"frames": frames, "size_px": 64, "particles": 4, "diameter_px": 12, "faults": 0.3, "kept_s": 30.0}
    settings = settings_of(**{**given, "interval_s": 0.1, "labels": False, **simulation})
    watched, truth = folder / "in", folder / "truth"
    watched.mkdir(parents=True)
    service = Running(folder / "session", watch=watched, settle_s=0.1, grace_s=2.5)
    service.start()
    microscope = threading.Thread(target=simulate, args=(watched, settings), kwargs={"truth": truth})
    microscope.start()
    try:
        for n in range(kills):
            share = (n + 1) / (kills + 1)
            while microscope.is_alive() and _written(truth) < share * frames:
                time.sleep(0.05)
            service.kill()
            service.start()
        microscope.join()
        _settled(service)
        return _account(service, owed(truth), kills)
    finally:
        service.stop()


def _written(truth: Path) -> int:
    table = truth / "truth.csv"
    return max(0, table.read_bytes().count(b"\n") - 1) if table.exists() else 0


def _settled(service: Running) -> None:
    """Nothing has changed for longer than a bad file is given time."""
    before, since = None, time.monotonic()
    while time.monotonic() - since < 5.0:
        session = service.get("/session")
        state = (session["counts"], session["waiting"])
        if state != before:
            before, since = state, time.monotonic()
        time.sleep(0.2)


def _account(service: Running, due: Any, kills: int) -> Account:
    answers = Counter(row["file_name"] for row in service.frames() if row["state"] == "done")
    aside = {row["name"] for row in service.get("/set-aside?limit=10000") if row["reason"]}
    account = Account(len(due.once), sum(answers.values()), kills=kills, set_aside=len(aside))
    for number, names in due.once.items():
        count = sum(answers[name] for name in names)
        (account.lost if count == 0 else account.doubled if count > 1 else []).append(number)
    account.wrong = sorted(name for name in due.never if answers[name])
    account.unexplained = sorted(name for name in due.never if not answers[name] and name not in aside)
    account.counts = service.get("/session")["counts"]
    return account


if __name__ == "__main__":
    main()
