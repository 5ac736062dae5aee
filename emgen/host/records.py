"""What the host knows about a plugin that loaded and about one that did not."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emgen.errors import EmgenError, PluginError
from emgen.host.imports import resolve
from emgen.host.kinds import KINDS
from emgen.registration import AnyPlugin, Kind, ModalityPlugin, ReaderPlugin, StageConfig, StagePlugin

_OURS = ("importlib", str(Path(__file__).parent))
"""Frames of the import machinery and of the host itself say nothing about a plugin."""


def cause(error: BaseException) -> str:
    """One line: type and text of an exception, and where it was raised. Texts of emgen's own errors stand alone."""
    if isinstance(error, EmgenError):
        return str(error)
    text = " ".join("".join(traceback.format_exception_only(error)[-1:]).split())
    if isinstance(error, SyntaxError):
        return f"{text} ({error.filename}, line {error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not any(part in f.filename for part in _OURS)]
    return f"{text} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else text


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin module that did not load. A failure is data: it is listed, and shown beside related errors.

    Attributes
    ----------
    distribution, version: what the user has installed.
    module: the module its entry point names.
    phase: how far it came: ``find``, ``metadata``, ``contract``, ``import``, ``register``, ``hooks``, ``validate``,
        ``names``.
    error_text: the cause, one line.
    """

    distribution: str
    version: str
    module: str
    phase: str
    error_text: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.module}) failed at {self.phase}: {self.error_text}"


@dataclass(frozen=True, slots=True)
class Observer:
    """A module that is told of runs, and where it comes from. ``hooks``: those of an observer that it implements."""

    distribution: str
    version: str
    module: str
    hooks: tuple[str, ...]
    implementation: object


@dataclass(frozen=True, slots=True)
class Registered:
    """A plugin and where it comes from. ``editable``: installed with ``pip install -e``, its sources may change.

    ``settings``: of a reader that was chosen (``Host.reading_by``); a stage gets its own when it is made.
    """

    plugin: AnyPlugin
    distribution: str
    version: str
    module: str
    editable: bool
    kind: Kind
    settings: StageConfig | None = None

    @property
    def label(self) -> str:
        """For messages: ``contrast GAN "cyclegan" of emgen 0.1.0``."""
        return f'{KINDS[self.kind].title} "{self.plugin.name}" of {self.distribution} {self.version}'

    @property
    def target(self) -> str:
        """The ``package.module:attribute`` that implements it; of a modality, its ``normalise``."""
        return self.plugin.normalise if isinstance(self.plugin, ModalityPlugin) else self.plugin.create

    def load(self) -> Callable[..., Any]:
        """Import the implementation. Raises ``PluginError`` naming plugin and distribution if that fails."""
        return self._resolve(self.target)

    def create(self, config: StageConfig | None = None, context: Any = None) -> Any:
        """The implementation made with ``(config, context)``; a reader takes its settings, if it has any."""
        factory = self.load()
        if not isinstance(self.plugin, ReaderPlugin):
            return factory(config, context)
        return factory() if self.plugin.config is None else factory(config or self.settings or self.plugin.config())

    def preflight(self, config: StageConfig, device: str = "cpu") -> None:
        """Run the plugin's preflight, if it has one. Raises ``PreflightError``."""
        if isinstance(self.plugin, StagePlugin) and self.plugin.preflight:
            self._resolve(self.plugin.preflight)(config, device)

    def _resolve(self, target: str) -> Callable[..., Any]:
        try:
            found = resolve(target)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(
                f'{self.label} cannot be loaded: "{target}": {cause(error)}. '
                f"Reinstall or update {self.distribution}, or name another plugin."
            ) from error
        if not callable(found):
            raise PluginError(f'{self.label} cannot be used: "{target}" is {found!r}, not callable.')
        return found  # type: ignore[no-any-return]
