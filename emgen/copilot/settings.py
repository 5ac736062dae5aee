"""How a service is set up."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from emgen.copilot.answering import OPENER, Setup
from emgen.errors import SpecError

Policy = Literal["all", "newest"]
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,200}")
GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of ``emgen copilot serve``.

    Attributes
    ----------
    model: a model folder, an exported file, a shipped name. root: folder of the session; one that is there goes on.
    watch: folder that frames appear in; ``poll`` for shares that send no events. settle_s: a file is taken when its
        size has been stable for so long; one that no reader accepts is tried again for ``grace_s``.
    policy: ``all`` answers every frame in order, ``newest`` skips to the last one; ``None``: as the session was left,
        ``all`` at first.
    limit: bytes of one upload. reserve: bytes that stay free on the disk.
    false_alarms: share of frames of the model's own domain that may exceed the threshold (``emgen.domain``).
    adapt_minutes: time for an adaptation. adapt_frames: of the newest, so many it learns from.
    page: whether there is one, or only the interface for programs.
    """

    model: str
    root: Path
    watch: Path | None = None
    poll: bool = False
    host: str = "127.0.0.1"
    port: int = 8380
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    policy: Policy | None = None
    pixel_size_nm: float | None = None
    device: str = "auto"
    precision: str = "auto"
    settle_s: float = 0.15
    grace_s: float = 10.0
    limit: int = GIGABYTE
    reserve: int = GIGABYTE
    false_alarms: float = 0.05
    adapt_minutes: float = 15.0
    adapt_frames: int = 24
    page: bool = True
    opener: str = OPENER

    def __post_init__(self) -> None:
        """Raises ``SpecError``."""
        if self.host not in LOOPBACK and not self.token:
            raise SpecError(
                f"--host {self.host}: reachable from other machines, so a token is needed: --token TEXT, "
                "or the environment variable EMGEN_COPILOT_TOKEN."
            )
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise SpecError("--token: 8 to 200 letters, digits, `-` and `_`, please; it is what keeps others out.")
        if self.watch is not None and self.watch.resolve() == self.root.resolve():
            raise SpecError(f"--watch {self.watch}: is the session's own folder. Choose another --session.")

    def told(self) -> dict[str, Any]:
        """As JSON, for the record: without the token, and without what only tests set."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("token", "opener", "page")}
        return {name: str(value) if isinstance(value, Path) else value for name, value in kept.items()}

    def setup(self, model: str) -> Setup:
        """What a process needs that answers with ``model``."""
        return Setup(
            model=model,
            root=self.root,
            device=self.device,
            precision=self.precision,
            pixel_size_nm=self.pixel_size_nm,
            false_alarms=self.false_alarms,
            opener=self.opener,
        )
