"""What the repository holds: code and text. No micrograph of anybody's, no large file but the shipped weights."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

MICROGRAPH_SUFFIXES = {
    ".dm3",
    ".dm4",
    ".emd",
    ".emi",
    ".h5",
    ".hdf5",
    ".hspy",
    ".jpeg",
    ".jpg",
    ".mrc",
    ".npy",
    ".npz",
    ".ser",
    ".tif",
    ".tiff",
}
PICTURE_SUFFIXES = {".gif", ".png", ".svg", ".webp"}
LARGEST_TEXT = 256 * 1024
LARGEST_PICTURE = 1024 * 1024
LARGEST_WEIGHTS = 8 * 1024 * 1024


def test_no_file_of_a_microscope_format_is_tracked(tracked_files: list[Path]) -> None:
    assert [file for file in tracked_files if file.suffix.lower() in MICROGRAPH_SUFFIXES] == []


def test_files_are_small_and_only_shipped_weights_reach_8_mb(tracked_files: list[Path]) -> None:
    for file in tracked_files:
        limit = {".safetensors": LARGEST_WEIGHTS}.get(file.suffix, LARGEST_TEXT)
        if file.suffix in PICTURE_SUFFIXES:
            limit = LARGEST_PICTURE
        assert file.stat().st_size <= limit, f"{file} has {file.stat().st_size} bytes"


def test_weights_stand_in_a_plugin_and_pictures_in_the_docs(root: Path, tracked_files: list[Path]) -> None:
    for file in tracked_files:
        top = file.relative_to(root).parts[0]
        if file.suffix == ".safetensors":
            assert top == "plugins", file
        if file.suffix in PICTURE_SUFFIXES:
            assert top in {"docs", "emgen"}, file


@pytest.mark.real
@pytest.mark.skipif("EMGEN_REAL_DATA" not in os.environ, reason="EMGEN_REAL_DATA names no folder of real micrographs")
def test_no_tracked_file_is_a_copy_of_a_real_micrograph(tracked_files: list[Path]) -> None:
    real = {
        hashlib.sha256(file.read_bytes()).hexdigest(): file
        for file in Path(os.environ["EMGEN_REAL_DATA"]).rglob("*")
        if file.is_file() and file.suffix != ".md"
    }
    copies = [file for file in tracked_files if hashlib.sha256(file.read_bytes()).hexdigest() in real]
    assert copies == []
