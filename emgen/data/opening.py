"""From a path to micrographs: the readers of its suffix, in order, and errors that say what the file really is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.data.checks import check_image
from emgen.data.cropping import crop_bar
from emgen.data.micrograph import Micrograph
from emgen.errors import BadImageError, DataError, EmgenError, UnreadableFileError, listing
from emgen.registration import ReaderPlugin

if TYPE_CHECKING:
    from emgen.host import Host, Registered

OWN = "emgen"
"""The distribution whose readers are tried first."""


def suffixes_of(host: Host) -> set[str]:
    """The suffixes that the installed readers open, lower case with the dot."""
    return {suffix for plugin, _ in _readers(host) for suffix in plugin.suffixes}


def suggestions_of(host: Host) -> dict[str, str]:
    """Suffix -> distribution that opens it, for suffixes that no installed reader opens."""
    known = suffixes_of(host)
    told = {suffix: name for plugin, _ in reversed(_readers(host)) for suffix, name in plugin.suggests.items()}
    return {suffix: name for suffix, name in sorted(told.items()) if suffix not in known}


def _readers(host: Host) -> list[tuple[ReaderPlugin, Registered]]:
    """Those that come with emgen first, then by name."""
    readers = [(found.plugin, found) for found in host.plugins("reader").values()]
    named = [(plugin, found) for plugin, found in readers if isinstance(plugin, ReaderPlugin)]
    return sorted(named, key=lambda pair: (pair[1].distribution != OWN, pair[0].name))


def open_file(path: Path, host: Host) -> Sequence[Micrograph]:
    """The file's micrographs. Reads headers alone. Raises ``UnreadableFileError``, ``BadImageError``."""
    return open_with_reader(path, host)[0]


def open_with_reader(path: Path, host: Host) -> tuple[Sequence[Micrograph], str]:
    """The file's micrographs, and the name of the reader that opened it.

    Readers that claim the suffix are tried in order (emgen's own, then by name) until one opens the file; a
    ``BadImageError`` (read well, but no micrograph) ends the search. If none does, the error has the causes of all.
    """
    if not path.exists():
        raise UnreadableFileError(f"{path}: there is no such file.")
    suffix = path.suffix.lower()
    readers = [(plugin, found) for plugin, found in _readers(host) if suffix in plugin.suffixes]
    if not readers:
        raise UnreadableFileError(_no_reader(path, host))
    failures: dict[str, DataError] = {}
    for plugin, registered in readers:
        try:
            return _opened(path, registered, host), plugin.name
        except BadImageError:
            raise
        except DataError as error:
            failures[plugin.name] = error
    if len(failures) == 1:
        raise next(iter(failures.values()))
    causes = "\n".join(f"  {name}: {error}" for name, error in failures.items())
    raise UnreadableFileError(f"{path}: none of the {len(failures)} readers of {suffix} files opens it.\n{causes}")


def _opened(path: Path, registered: Registered, host: Host) -> Sequence[Micrograph]:
    reader = registered.create()
    stack: Sequence[Micrograph] = _reading(path, lambda: reader.open(path), _told(path, host))
    if not len(stack):
        raise UnreadableFileError(f"{path}: the file holds no image. Leave it out.")
    return stack


def _no_reader(path: Path, host: Host) -> str:
    suffix = path.suffix.lower()
    if package := suggestions_of(host).get(suffix):
        return f"{path}: {suggestion(suffix, package, host)}"
    known = listing(suffixes_of(host))
    kind = f'"{suffix}" files' if suffix else "files without a suffix"
    text = f"{path}: no installed reader opens {kind} (known: {known}). "
    return f"{text}{_told(path, host)}Install a reader plugin or convert the file to TIFF."


def suggestion(suffix: str, package: str, host: Host) -> str:
    """What to install for files of a suffix, or why what is installed does not open them."""
    text = f'no installed reader opens "{suffix}" files; '
    for failure in host.failures:
        if failure.distribution == package:
            return f"{text}the package {package} that does is installed, but broken: {failure.error_text}"
    return f"{text}the package {package} does: pip install {package}. Or convert the file to TIFF."


def read_frame(stack: Sequence[Micrograph], frame: int, path: Path) -> Micrograph:
    """``stack[frame]`` without its data bar, checked by ``check_image``."""
    micrograph: Micrograph = _reading(path, lambda: stack[frame])
    check_image(micrograph.image_HW, path)
    cropped = crop_bar(micrograph)
    if cropped is not micrograph:
        check_image(cropped.image_HW, path)
    return cropped


def _reading(path: Path, read: Callable[[], Any], told: str = "") -> Any:
    """Run a reader's code; whatever it raises becomes an ``UnreadableFileError`` that names the file."""
    try:
        return read()
    except EmgenError as error:
        if told and isinstance(error, UnreadableFileError):
            raise UnreadableFileError(f"{error} {told.strip()}") from error
        raise
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        way_out = (
            told or "It may be truncated or of another format than its suffix says; copy it again or leave it out."
        )
        raise UnreadableFileError(f"{path}: the file cannot be read ({cause}). {way_out}".strip()) from error


def _told(path: Path, host: Host) -> str:
    """What its first bytes say of a file whose suffix says something else; empty where they agree or say nothing."""
    plugin, what = _signed(path, host) or (None, "")
    if plugin is None or path.suffix.lower() in plugin.suffixes:
        return "The file is empty. Copy it again or leave it out. " if _is_empty(path) else ""
    fitting = listing(plugin.suffixes).replace(", ", " or ")
    return f"Its first bytes are those of {what}: rename it to end in {fitting}, or leave it out. "


def _signed(path: Path, host: Host) -> tuple[ReaderPlugin, str] | None:
    """The reader whose files begin as this one does, and what they are called."""
    if path.is_dir():
        return None
    signed = [(sign, plugin) for plugin, _ in _readers(host) for sign in plugin.signatures]
    with path.open("rb") as file:
        start = file.read(max((sign.at + len(sign.magic) for sign, _ in signed), default=0))
    for sign, plugin in signed:
        if start[sign.at : sign.at + len(sign.magic)] == sign.magic:
            return plugin, sign.what
    return None


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0
