"""Which reader opens a file, what is said when none does, and what counts as one input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from microscope_files import noise, write_zarr

import emgen_readers.plugin
from emgen import hookimpl
from emgen.data import Micrograph, expand_images, frame_name
from emgen.data.opening import open_with_reader, suggestions_of
from emgen.errors import BadImageError, NoImagesError, PluginError, UnreadableFileError
from emgen.host import Host
from emgen.host.records import PluginFailure
from emgen.registration import ReaderPlugin, Signature

SUFFIX = ".foo"


class Good:
    def open(self, path: Path) -> Sequence[Micrograph]:
        return [Micrograph(noise(9, 9), None, path.stem, path)]


class Broken:
    def open(self, path: Path) -> Sequence[Micrograph]:
        raise RuntimeError("an unknown version")


class Understands:
    def open(self, path: Path) -> Sequence[Micrograph]:
        raise BadImageError(f"{path}: a spectrum")


class Empty:
    def open(self, path: Path) -> Sequence[Micrograph]:
        return []


def host_of(**readers: type) -> Host:
    """Readers of .foo by name; none of them is emgen's own."""

    class Module:
        @staticmethod
        @hookimpl
        def emgen_readers() -> list[ReaderPlugin]:
            return [
                ReaderPlugin(name=name, suffixes=(SUFFIX,), create=f"{__name__}:{reader.__name__}", summary="")
                for name, reader in readers.items()
            ]

    return Host.from_modules([Module, emgen_readers.plugin])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / f"a{SUFFIX}").write_bytes(b"something")
    return tmp_path / f"a{SUFFIX}"


def test_where_a_reader_fails_the_next_by_name_opens_the_file(file: Path) -> None:
    assert open_with_reader(file, host_of(b=Broken, c=Good, d=Broken))[1] == "c"


def test_where_all_fail_the_error_has_every_cause(file: Path) -> None:
    with pytest.raises(UnreadableFileError) as error:
        open_with_reader(file, host_of(b=Broken, c=Empty))
    text = str(error.value)
    assert text.startswith(f"{file}: none of the 2 readers of .foo files opens it.")
    assert "b: " in text
    assert "an unknown version" in text
    assert "the file holds no image" in text


def test_a_reader_that_understood_the_file_has_the_last_word(file: Path) -> None:
    with pytest.raises(BadImageError, match="a spectrum"):
        open_with_reader(file, host_of(b=Understands, c=Good))


def test_readers_that_come_with_emgen_are_tried_first(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of(a=Good, z=Good)
    own = host.plugins("reader")["z"]
    object.__setattr__(own, "distribution", "emgen")
    assert open_with_reader(file, host)[1] == "z"


def test_the_package_that_opens_a_known_format_is_named(tmp_path: Path) -> None:
    host = Host.from_modules([emgen_readers.plugin])
    (tmp_path / "a.hspy").write_bytes(b"x")
    with pytest.raises(UnreadableFileError, match=r"a\.hspy.*pip install emgen-rosettasciio"):
        open_with_reader(tmp_path / "a.hspy", host)


def test_a_package_that_is_installed_but_broken_is_said_to_be_so(tmp_path: Path) -> None:
    host = Host.from_modules([emgen_readers.plugin])
    host.failures.append(PluginFailure("emgen-rosettasciio", "0.1", "x", "import", "No module named rsciio"))
    (tmp_path / "a.hspy").write_bytes(b"x")
    with pytest.raises(UnreadableFileError, match="installed, but broken: No module named rsciio"):
        open_with_reader(tmp_path / "a.hspy", host)


def test_no_package_is_suggested_for_what_an_installed_reader_opens() -> None:
    told = suggestions_of(Host.from_modules([emgen_readers.plugin]))
    assert told[".hspy"] == "emgen-rosettasciio"
    assert not set(told) & {".tif", ".dm4", ".emd", ".zarr"}


def test_a_folder_of_files_that_no_reader_opens_names_the_package_too(tmp_path: Path) -> None:
    (tmp_path / "a.hspy").touch()
    with pytest.raises(NoImagesError, match=r"found 1 \.hspy.*emgen-rosettasciio opens such files"):
        expand_images([str(tmp_path)], suffixes={".tif"})


@pytest.mark.parametrize(
    "fields", [{"signatures": (b"II",)}, {"signatures": [Signature(b"II", "x")]}, {"suggests": {"hspy": "x"}}]
)
def test_a_malformed_registration_is_refused_by_field(fields: dict[str, Any]) -> None:
    class Module:
        @staticmethod
        @hookimpl
        def emgen_readers() -> list[ReaderPlugin]:
            return [ReaderPlugin(name="a", suffixes=(SUFFIX,), create="a:b", summary="", **fields)]

    with pytest.raises(PluginError, match=f'plugin "a": {next(iter(fields))} is'):
        Host.from_modules([Module])


def test_a_zarr_folder_is_one_input_and_its_parts_are_none(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a.zarr", noise(3, 20, 20))
    (tmp_path / "a.zarr" / "inside.tif").touch()
    (tmp_path / "b.tif").touch()
    known = {".zarr", ".tif"}
    for pattern in (".", "*", "**/*", "*.zarr"):
        found = [path.name for path in expand_images([pattern], tmp_path, known)]
        assert found == (["a.zarr"] if pattern == "*.zarr" else ["a.zarr", "b.tif"])


@pytest.mark.parametrize("name", ["..tif", "...tif", "a\\..\\b.tif", "a\nb.tif", ". .tif"])
def test_no_file_name_leads_its_results_to_another_folder(name: str) -> None:
    result = frame_name(Path("/data") / name, 0, 1)
    assert not set(result) & set("/\\\n\0")
    assert result.strip(". ")
    assert (Path("/out") / f"{result}_mask.tif").resolve().parent == Path("/out")


def test_titles_inside_a_file_name_no_output(tmp_path: Path) -> None:
    from microscope_files import dm_image, write_dm

    import emgen_modalities.plugin
    from emgen.data import MicrographSet

    write_dm(tmp_path / "a.dm4", *(dm_image(noise(9, 9, seed=s), name="../../evil") for s in (1, 2)))
    host = Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])
    micrographs = MicrographSet([tmp_path / "a.dm4"], host, "haadf-stem")
    assert micrographs.names == ["a_0000", "a_0001"]
    assert [m.name for m in micrographs] == micrographs.names


def test_metadata_of_the_file_reach_the_stages(tmp_path: Path) -> None:
    from microscope_files import dm_image, write_dm

    import emgen_modalities.plugin
    from emgen.data import MicrographSet

    write_dm(tmp_path / "a.dm4", dm_image(noise(3, 9, 9), [1, 1, 0.5], ["nm", "nm", "s"]))
    host = Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])
    micrographs = MicrographSet([tmp_path / "a.dm4"], host, "haadf-stem")
    assert [m.metadata["time_s"] for m in micrographs] == [0, 0.5, 1]
