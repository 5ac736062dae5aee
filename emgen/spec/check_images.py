"""Are the micrographs of a spec there, readable, and enough?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emgen.errors import NoImagesError
from emgen.spec.model import Spec
from emgen.spec.obstacles import Obstacle, attempt
from emgen.spec.slots import reading_host

if TYPE_CHECKING:
    from emgen.data.stack import MicrographInfo
    from emgen.host import Host


def check_images(spec: Spec, host: Host, found: list[Obstacle]) -> tuple[MicrographInfo, ...]:
    """Read every micrograph once; empty, with the obstacles added to ``found``, unless all of them are usable."""
    before = len(found)
    host = reading_host(spec.data.reader, host)
    paths = _paths(spec, host, found)
    modality = host.find("modality", spec.modality)
    if not (attempt("modality", found, modality.label, modality.load) and paths):
        return ()
    infos = _survey(paths, spec, host, found)
    if len(found) > before:
        return ()
    attempt("split", found, "split", partial(_enough, spec, len(infos)))
    return infos


def notes_on(micrographs: Sequence[MicrographInfo]) -> list[str]:
    """Mixed sizes, bit depths and pixel sizes, dropped channels."""
    from emgen.data.stack import set_notes

    return set_notes(micrographs)


def _paths(spec: Spec, host: Host, found: list[Obstacle]) -> list[Path]:
    """The files of the patterns that yield any; every pattern that yields none is an obstacle."""
    from emgen.data.discover import expand_images
    from emgen.data.stack import suffixes_of

    suffixes = suffixes_of(host)
    yielding = [
        pattern
        for pattern in spec.images
        if attempt("images", found, pattern, partial(expand_images, [pattern], spec.base, suffixes))
    ]
    return expand_images(yielding, spec.base, suffixes) if yielding else []


def _survey(paths: Sequence[Path], spec: Spec, host: Host, found: list[Obstacle]) -> tuple[MicrographInfo, ...]:
    """Files that cannot be opened are obstacles one by one; of the others every micrograph is read."""
    from emgen.data.stack import MicrographSet, open_file

    opened = [path for path in paths if attempt("images", found, str(path), partial(open_file, path, host))]
    infos: list[MicrographInfo] = []

    def read() -> None:
        infos.extend(MicrographSet(opened, host, spec.modality, spec.data.pixel_size_nm).survey())

    attempt("images", found, "reading the micrographs", read)
    return tuple(infos)


def _enough(spec: Spec, count: int) -> None:
    """Raise ``NoImagesError`` if the split cannot be made. Regions can be cut from a single micrograph."""
    wanted = spec.split.subset1
    if isinstance(wanted, int) and wanted > count:
        raise NoImagesError(
            f"subset1 asks for {wanted} micrographs, there are {count}. Ask for fewer, or for a fraction such as 0.3."
        )
    parts = 3 if spec.split.held_out else 2
    least = (wanted if isinstance(wanted, int) else 1) + parts - 1
    if spec.split.by == "micrograph" and count < least:
        raise NoImagesError(
            f"`by: micrograph` needs at least {least} micrographs for {parts} parts, there are {count}. "
            "Write `by: region`, which divides each of them."
        )
