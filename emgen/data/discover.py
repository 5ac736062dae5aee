"""From patterns, folders and files to a sorted list of image files."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from emgen.errors import NoImagesError, listing


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which ``frame2`` comes before ``frame10``.

    >>> [p.name for p in sorted([Path("f10"), Path("f2")], key=natural_key)]
    ['f2', 'f10']
    """
    parts = re.split(r"(\d+)", str(path))
    return tuple((0, int(p), p) if p.isdigit() else (1, 0, p.casefold()) for p in parts)


def expand_images(patterns: Sequence[str], base: Path = Path(), suffixes: Collection[str] | None = None) -> list[Path]:
    """The image files that files, folders and globs name, each once, in natural order.

    A file that is named is taken whatever its suffix; of folders (not their subfolders) and globs (``**`` descends),
    the files with a suffix in ``suffixes``, by default all that the installed readers know. A folder with such a suffix
    (``series.zarr``) counts as one file, and what is in it as none. ``~`` and ``$VARIABLE`` are expanded; relative
    patterns start at ``base``. Raises ``NoImagesError`` where a pattern yields nothing.
    """
    if not patterns:
        raise NoImagesError("No images were named. Give files, folders or globs, e.g. images: [micrographs/*.tif].")
    known = set(suffixes) if suffixes is not None else _reader_suffixes()
    found = {path.resolve(): path for pattern in patterns for path in _expand(pattern, base, known)}
    return sorted(found.values(), key=natural_key)


def expand_each(
    patterns: Sequence[str | Path],
    suffixes: Collection[str],
    failed: list[dict[str, str]],
    choose: Callable[[Sequence[Path]], Sequence[Path]] = lambda files: files,
) -> list[Path]:
    """As ``expand_images``, each pattern on its own: one that yields nothing is added to ``failed``, the others go on.

    ``choose``: which files of a folder or glob are meant; a file that is named always is. Raises ``NoImagesError``
    where no pattern yields anything.
    """
    found: dict[Path, Path] = {}
    errors: dict[str, str] = {}
    for pattern in map(str, patterns):
        try:
            files = expand_images([pattern], Path(), suffixes)
        except NoImagesError as error:
            errors[pattern] = str(error)
            continue
        found |= {path.resolve(): path for path in (files if Path(pattern).is_file() else choose(files))}
    if not found:
        raise NoImagesError("\n".join(errors.values()) or "No files were named.")
    failed += [{"input": pattern, "reason": reason} for pattern, reason in errors.items()]
    return list(found.values())


def _reader_suffixes() -> set[str]:
    from emgen.data.stack import suffixes_of
    from emgen.host import load_host

    return suffixes_of(load_host())


def _expand(pattern: str, base: Path, known: Collection[str]) -> list[Path]:
    path = base / Path(os.path.expandvars(pattern)).expanduser()
    if path.is_file() or _is_file_like(path, known):
        return [path]
    candidates = path.iterdir() if path.is_dir() else map(Path, glob.glob(str(path), recursive=True))
    files = [p for p in candidates if p.is_file() or _is_file_like(p, known)]
    files = [p for p in files if not p.name.startswith(".") and not _lies_in_one(p, known)]
    images = [p for p in files if p.suffix.lower() in known]
    if not images:
        raise NoImagesError(_nothing_found(path, files, known))
    return images


def _suggestions(suffixes: Collection[str]) -> list[str]:
    from emgen.data.opening import suggestions_of
    from emgen.host import load_host

    told = suggestions_of(load_host())
    packages = sorted({told[suffix] for suffix in suffixes if suffix in told})
    return [f"The package {package} opens such files: pip install {package}." for package in packages]


def _is_file_like(path: Path, known: Collection[str]) -> bool:
    return path.suffix.lower() in known and path.is_dir()


def _lies_in_one(path: Path, known: Collection[str]) -> bool:
    """A store's own parts are no inputs."""
    return any(_is_file_like(parent, known) for parent in path.parents)


def _nothing_found(path: Path, files: Sequence[Path], known: Collection[str]) -> str:
    if files:
        kinds = ", ".join(f"{n} {suffix or 'without suffix'}" for suffix, n in Counter(p.suffix for p in files).items())
        text = f"{path}: no image that an installed reader opens (found {kinds}; readers open {listing(known)})."
        return " ".join([text, *_suggestions({p.suffix.lower() for p in files})])
    if path.is_dir():
        return f"{path}: the folder holds no files. Images in its subfolders are found with {path}/**/*.tif."
    if glob.has_magic(str(path)):
        return f"{path}: nothing matches. Relative patterns start at the folder of the spec, in a command at this one."
    return f"{path}: there is no such file or folder."
