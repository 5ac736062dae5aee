"""Many phantoms as files, a few at a time: in this process, or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emgen.cluster import cluster_of, in_order
from emgen.testing.phantoms.fields import Shape
from emgen.testing.phantoms.make import phantom_micrographs, phantom_stack
from emgen.testing.phantoms.write import write_phantoms

Kind = Literal["micrographs", "stack"]
_MAKE = {"micrographs": phantom_micrographs, "stack": phantom_stack}
AT_ONCE = 8
"""Phantoms that are drawn, written and forgotten together."""


@dataclass(frozen=True, slots=True)
class _Some:
    folder: Path
    first: int
    count: int
    shape_HW: Shape
    kind: Kind
    seed: int
    drawing: Mapping[str, Any]
    writing: Mapping[str, Any]


def make_phantoms(
    folder: Path | str,
    n: int,
    shape_HW: Shape,
    *,
    seed: int,
    kind: Kind = "micrographs",
    dtype: Literal["uint8", "uint16"] = "uint8",
    truth_folder: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    **settings: Any,
) -> list[Path]:
    """Draw n phantoms and write them and their truth as ``write_phantoms`` does; returns the paths of the images.

    The files are the same by the byte from any number of workers, as each phantom depends on seed and number alone.

    Parameters
    ----------
    kind: ``micrographs`` of as many materials, or a ``stack`` of one; ``settings`` are those of
        ``phantom_micrographs`` or ``phantom_stack``.
    workers: processes on this machine. scheduler: address of a Dask cluster, whose workers see ``folder`` too.

    Raises ``ValueError`` for an unknown setting or value; ``PreflightError``, ``SpecError`` and ``WorkersError`` as
    ``emgen.cluster`` does.
    """
    folder, cluster = Path(folder).absolute(), cluster_of(workers, scheduler)
    truth = None if truth_folder is None else Path(truth_folder).absolute()
    writing = {"truth_folder": truth, "dtype": dtype}
    starts = range(0, n, AT_ONCE)
    parts = (_Some(folder, i, min(AT_ONCE, n - i), shape_HW, kind, seed, settings, writing) for i in starts)
    if cluster is None:
        return _all(map(_make, parts))
    with cluster.client() as client:
        return _all(in_order(client, _make, parts))


def _all(several: Iterator[list[Path]]) -> list[Path]:
    return [path for paths in several for path in paths]


def _make(some: _Some) -> list[Path]:
    drawn = _MAKE[some.kind](some.count, some.shape_HW, seed=some.seed, first=some.first, **some.drawing)
    return write_phantoms(some.folder, drawn, first=some.first + 1, **some.writing)
