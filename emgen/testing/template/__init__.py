"""Writes a new plugin distribution: what ``emgen plugins new`` does.

``files/`` holds the texts, with ``$name`` placeholders (``string.Template``): those every distribution has, and under
``kinds/`` the implementation, settings and registration of each kind of plugin. What comes out works as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

from emgen import __version__
from emgen.errors import OutputError
from emgen.host import KINDS, load_host
from emgen.host.validation import is_kebab
from emgen.registration import Kind


@dataclass(frozen=True, slots=True)
class KindTemplate:
    """``module``: the file of the implementation; ``suffix``: ends the class's name; ``summary`` of the example."""

    module: str
    suffix: str
    summary: str


TEMPLATES: dict[Kind, KindTemplate] = {
    "modality": KindTemplate("normalise", "Modality", "bright particles, percentiles stretched to [0, 1]"),
    "reader": KindTemplate("reader", "Reader", "numpy .npy files"),
    "rough_segmenter": KindTemplate("segmenter", "Segmenter", "pixels that stand out by so many standard deviations"),
    "mask_sampler": KindTemplate("sampler", "Sampler", "discs with the measured sizes and counts"),
    "morphology_gan": KindTemplate("painter", "Painter", "particles painted with the mean intensities, and noise"),
    "contrast_gan": KindTemplate("matcher", "Matcher", "histogram matching"),
    "downstream_task": KindTemplate("task", "Task", "logistic regression on the intensity"),
    "metric": KindTemplate("metric", "Metric", "distance of the intensity histograms"),
}

_METRIC = """
            needs="generated-vs-real",
            headline="NAME",
            better="lower","""
"""What a metric registers beside the common fields."""


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """What was written: the plugin's name in a spec, its distribution, and the folder."""

    name: str
    distribution: str
    folder: Path


def write_plugin(name: str, kind: Kind, out: Path | None = None) -> NewPlugin:
    """Write the distribution ``emgen-<name>`` into ``out``, by default a folder of that name.

    Raises ``ValueError`` for a name that is not kebab-case or is taken, ``OutputError`` if the folder holds files.
    """
    name = name.removeprefix("emgen-")
    distribution = f"emgen-{name}"
    package = distribution.replace("-", "_")
    _check_name(name, package, kind)
    folder = out or Path(distribution)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and holds files; choose another folder with --out")
    values = _values(name, distribution, package, kind)
    for path, template in _files(package, kind).items():
        text = Template(template.read_text(encoding="utf-8")).substitute(values)
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{folder / path} cannot be written: {error.strerror}") from error
    return NewPlugin(name, distribution, folder)


def _check_name(name: str, package: str, kind: Kind) -> None:
    if not is_kebab(name) or not name[0].isalpha():
        raise ValueError(f'"{name}" is not in kebab-case starting with a letter, like my-plugin')
    taken = load_host().plugins(kind).get(name)
    if taken:
        raise ValueError(f"{taken.label} has that name already; choose another")
    if find_spec(package):
        raise ValueError(f'a package "{package}" is already installed; choose another name')


def _files(package: str, kind: Kind) -> dict[str, Traversable]:
    """Path in the new folder -> template."""
    root = files(__package__) / "files"
    own = root / "kinds" / kind
    stage = (own / "config.py.tmpl").is_file()
    chosen = {
        "pyproject.toml": root / "pyproject.toml.tmpl",
        "README.md": root / "README.md.tmpl",
        f"{package}/__init__.py": root / "package.py.tmpl",
        f"{package}/plugin.py": (root if stage else own) / "plugin.py.tmpl",
        f"{package}/{TEMPLATES[kind].module}.py": own / "implementation.py.tmpl",
        "tests/test_conformance.py": root / "test_conformance.py.tmpl",
    }
    if stage:
        chosen[f"{package}/config.py"] = own / "config.py.tmpl"
    return chosen


def _values(name: str, distribution: str, package: str, kind: Kind) -> dict[str, str]:
    template, info = TEMPLATES[kind], KINDS[kind]
    major, minor = __version__.split(".")[:2]
    camel = "".join(part.capitalize() for part in name.split("-")) + template.suffix
    conformance = "".join(part.capitalize() for part in kind.split("_")) + "Conformance"
    slots = {"modality": f"modality: {name}", "metric": f"metrics: [{name}]"}
    usage = slots.get(kind, f"{kind}: {name}")
    return {
        "name": name,
        "distribution": distribution,
        "package": package,
        "module": template.module,
        "class_name": camel,
        "summary": template.summary,
        "kind": kind,
        "title": info.title,
        "hook": info.hook,
        "plugin_type": info.plugin_type.__name__,
        "extra": _METRIC.replace("NAME", name) if kind == "metric" else "",
        "conformance": conformance,
        "usage": "# files with its suffixes are read by it, nothing to name" if kind == "reader" else usage,
        "emgen": f"emgen>={major}.{minor},<{major}.{int(minor) + 1}",
    }
