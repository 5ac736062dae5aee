"""A model as a bioimage.io package: a zip that describes itself, with weights as ONNX and a sample in and out.

Written and checked by ``bioimageio.spec``, run by ``bioimageio.core`` (https://bioimage.io).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.errors import ModelError, PreflightError, SpecError, did_you_mean
from emgen.exporting.bioimageio_texts import About
from emgen.exporting.onnx_task import OnnxTask
from emgen.exporting.places import model_name, need, place
from emgen.files import replacing

if TYPE_CHECKING:
    from emgen.host import Host

SUFFIX = ".bioimageio.zip"
_UNFIT = "'index_key' is expected"
"""In the error when a bioimageio.spec that does not know pydantic 2.14 meets it."""


def export_bioimageio(
    source: str | Path,
    out: Path | None,
    *,
    host: Host,
    device: str,
    tell: Callable[[str], None],
    author: str = "emgen",
    licence: str | None = None,
) -> Path:
    """Writes a package and runs bioimageio.core's own test on it, on the CPU; one that fails is not kept.

    ``licence``: an SPDX identifier, in any case; the shipped weights have emgen's own. Raises ``ModelError`` for a
    model that cannot be exported or whose package fails, ``OutputError``, ``PreflightError``, ``SpecError``.
    """
    from emgen.model import SHIPPED

    need("bioimageio", "onnx", "onnxruntime", "bioimageio.core")
    path = place(source, out, SUFFIX)
    licence = licence or ("MIT" if str(source) in SHIPPED else None)
    about = About(name=model_name(source), author=author, licence=_identifier(licence) if licence else None)
    with tempfile.TemporaryDirectory() as name, _quiet():
        folder = Path(name)
        _write_weights(source, folder / "model.onnx", host, tell)
        package = _write_package(folder, about, host)
        tell(f"bioimageio.core's own test: {check_package(package)}")
        with replacing(path) as draft:
            shutil.copyfile(package, draft)
    if licence is None:
        tell("It names no licence. Before you publish it, give one: --licence cc-by-4.0 --author NAME")
    tell(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return path


def check_package(package: Path) -> str:
    """The verdict of ``bioimageio.core`` on a package: read, validated, and run on its sample.

    Raises ``ModelError`` with what failed.
    """
    from bioimageio.core import test_description

    summary = test_description(package, weight_format="onnx", devices=["cpu"])
    if summary.status == "passed":
        return f"passed, {sum(detail.status == 'passed' for detail in summary.details)} checks"
    faults = [error.msg for detail in summary.details for error in detail.errors]
    raise ModelError(f"bioimageio.core does not accept the package ({summary.status}): {'; '.join(faults)}")


def _write_weights(source: str | Path, path: Path, host: Host, tell: Callable[[str], None]) -> None:
    """The model as an ONNX file; one that is a file already is copied."""
    from emgen.exporting.to_onnx import write_onnx
    from emgen.model import load_model

    model = load_model(source, host=host, device="cpu")
    if isinstance(model.task, OnnxTask):
        model.task.export_onnx(path)
        return
    difference = write_onnx(model, path, host)
    tell(f"Greatest difference of the ONNX weights from the model's own probabilities: {difference:.1e}")


def _identifier(licence: str) -> str:
    """The SPDX identifier in its own capitals. Raises ``SpecError``."""
    from bioimageio.spec.model.v0_5 import LicenseId

    known = {name.lower(): name for name in LicenseId.root_model.model_json_schema()["enum"]}
    if licence.lower() not in known:
        near = did_you_mean(licence.lower(), known)
        raise SpecError(f'licence: "{licence}" is no SPDX identifier.{near} They are at https://spdx.org/licenses.')
    return str(known[licence.lower()])


def _write_package(folder: Path, about: About, host: Host) -> Path:
    """``folder`` holds the weights, and gets the other files of the package."""
    from bioimageio.spec import save_bioimageio_package
    from pydantic import ValidationError

    from emgen.exporting.bioimageio_description import describe

    try:
        described: Any = describe(folder, about, host)
    except ValidationError as error:
        if _UNFIT in str(error):
            raise PreflightError(
                f"bioimageio.spec {version('bioimageio.spec')} does not work with pydantic {version('pydantic')}: pip "
                "install 'pydantic<2.14'"
            ) from error
        raise ModelError(f"bioimageio.spec does not accept the model's description: {error}") from error
    return Path(save_bioimageio_package(described, output_path=folder / "package.zip", local_files_only=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what bioimageio says while it works off the screen; its verdict is told."""
    from loguru import logger

    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    logger.disable("bioimageio")
    try:
        yield
    finally:
        logger.enable("bioimageio")
        os.environ.pop("TQDM_DISABLE") if before is None else os.environ.update(TQDM_DISABLE=before)
