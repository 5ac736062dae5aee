"""Every exception a user may see. Each names the file or field, the cause and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class EmgenError(Exception):
    """Base of all of them. ``emgen`` prints its text without a traceback and exits with ``exit_code``."""

    exit_code = 2


class DataError(EmgenError):
    """Input images or masks cannot be used."""


class UnreadableFileError(DataError):
    """A file is missing, truncated, of an unknown format or holds no image."""


class NoImagesError(DataError):
    """A glob or folder yields no micrograph, or fewer than the split needs."""


class BadImageError(DataError):
    """An image is constant, holds NaN, has colour or a wrong number of axes."""


class OutputError(EmgenError):
    """A folder cannot be written, is full, or two inputs would write the same name."""


class SpecError(EmgenError):
    """The spec is wrong: unknown field, unknown plugin, a value out of range."""


class PluginError(EmgenError):
    """A plugin is broken, or misbehaved in a run; the text names it and its distribution."""


class UnknownPluginError(SpecError):
    """No plugin of that name; the text lists what is installed and the nearest."""


class PreflightError(EmgenError):
    """Something a run needs is missing (weights, a GPU); found before hours are spent."""


class NoParticlesError(EmgenError):
    """The rough segmentation holds no particle, so nothing can be learnt from it."""


class TrainingError(EmgenError):
    """A loss became NaN or infinite; the last good checkpoint is kept."""


class LostProcessError(EmgenError):
    """One of the processes that train together has stopped."""

    exit_code = 1


class ModelError(EmgenError):
    """A model folder is missing, incomplete or of another version."""


class StageFailedError(EmgenError):
    """A stage of a run failed; the text names plugin, distribution and the command that resumes the run."""

    exit_code = 1


class WorkersError(EmgenError):
    """The workers of a cluster die again and again, or its scheduler is gone."""

    exit_code = 1


class PushError(EmgenError):
    """A copilot's service lets nothing in, is no copilot, or did not answer for as long as was allowed."""


class Interrupted(EmgenError):
    """The run was asked to stop; it stands at a checkpoint and resumes."""

    exit_code = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``' Did you mean "x"?'`` for the nearest known name, else an empty text.

    >>> did_you_mean("cyclegn", ["cyclegan", "identity"])
    ' Did you mean "cyclegan"?'
    """
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def listing(names: Iterable[str]) -> str:
    """Sorted names for an error text, ``(none)`` if there are none."""
    return ", ".join(sorted(names)) or "(none)"
