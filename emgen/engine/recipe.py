"""What decides the contents of an artifact, and the key that follows from it.

In: slot, plugin, revision, distribution version, settings (precision and polarity are among them), keys of the inputs,
seed, and for an editable install a digest of the plugin's sources. Out: paths, dates, run names, settings that are
declared with ``cache: False``.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from emgen.host.discovery import is_editable

if TYPE_CHECKING:
    from emgen.host import Registered

SCHEMA = 1
"""Raised when the layout of artifacts changes, so that old ones are not taken for new ones."""


SHIPPED = {".py", ".safetensors", ".json"}


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Who makes an artifact: a plugin, or emgen itself (``plugin`` is then ``emgen``)."""

    plugin: str
    revision: int
    distribution: str
    version: str
    sources: str | None
    """Digest of the sources of an editable install, else ``None``: a release is known by its version."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides an artifact."""

    slot: str
    maker: Maker
    config: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the engine adds to the plugin's own config: precision, polarity, counts and sizes."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **json.loads(canonical(asdict(self)))}

    @functools.cached_property
    def key(self) -> str:
        return digest_text(canonical(self.document))

    @property
    def folder_name(self) -> str:
        return f"{self.slot}-{self.key[:12]}"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def by_contents(config: BaseModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with every path to something that exists replaced by a digest of what it holds.

    A path is a field that is typed or declared (``format: path``) as one, or a text with a slash in it; a word such as
    ``pretrained`` stays, and so does a hub id that no local folder has.
    """
    paths = {name: Path(str(getattr(config, name))) for name in settings if _is_path(config, name)}
    digests = {name: f"sha256:{path_digest(path)}" for name, path in paths.items() if path.exists()}
    return {**settings, **digests}


def path_digest(path: Path) -> str:
    """SHA-256 over a file, or over names and contents of the files in a folder."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file()):
        digest.update(b"" if file == path else file.relative_to(path).as_posix().encode())
        with open(file, "rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _is_path(config: BaseModel, name: str) -> bool:
    value = getattr(config, name)
    extra = type(config).model_fields[name].json_schema_extra
    declared = isinstance(extra, dict) and extra.get("format") == "path"
    return isinstance(value, Path) or (isinstance(value, str) and (declared or "/" in value or "\\" in value))


def plugin_maker(name: str, registered: Registered) -> Maker:
    package = registered.module.rpartition(".")[0] or registered.module
    return Maker(
        plugin=name,
        revision=getattr(registered.plugin, "revision", 1),
        distribution=registered.distribution,
        version=registered.version,
        sources=sources_digest((package,)) if registered.editable else None,
    )


@functools.cache
def core_maker(revision: int, *packages: str) -> Maker:
    """emgen itself as the maker; ``packages`` hold the code that decides the outcome."""
    from emgen import __version__

    return Maker(
        plugin="emgen",
        revision=revision,
        distribution="emgen",
        version=__version__,
        sources=sources_digest(packages) if is_editable(metadata.distribution("emgen")) else None,
    )


@functools.cache
def sources_digest(packages: tuple[str, ...]) -> str:
    """SHA-256 over packages, and over the sibling packages that they import from the same folder: Python sources, and
    the weights and tables that are shipped beside them.

    ``emgen`` itself is left out of what is followed: it is the contract, and changes there raise revisions.
    """
    digest = hashlib.sha256()
    for path in sorted(set(_with_siblings(packages)), key=lambda found: found.as_posix()):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _with_siblings(packages: Iterable[str]) -> list[Path]:
    files: list[Path] = []
    waiting, seen = list(packages), set(packages)
    while waiting:
        own = _sources(waiting.pop())
        files += own
        imported = {name for path in own if path.suffix == ".py" for name in _imported(path)}
        for name in sorted(imported - seen - {"emgen"}):
            if own and _is_sibling(name, own[0]):
                seen.add(name)
                waiting.append(name)
    return files


def _sources(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # an object in memory that no file stands behind
        return []
    if spec is None or spec.origin is None:
        return []
    if not spec.submodule_search_locations:
        return [Path(spec.origin)]
    return sorted(path for path in Path(spec.origin).parent.rglob("*") if path.suffix in SHIPPED)


def _imported(path: Path) -> set[str]:
    """Top-level names that a source file imports anywhere, without importing it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _is_sibling(name: str, of: Path) -> bool:
    """True for a package in the folder that holds the package of the file ``of``."""
    parents = {parent.parent for parent in of.parents if (parent / "__init__.py").is_file()}
    return any((parent / name / "__init__.py").is_file() for parent in parents)
