"""A series of 20 GB opens within a second and in constant memory. The files are sparse: they take no such room."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from microscope_files import dm_image, noise, write_dm

FRAMES, SIDE = 2500, 2048
"""Of 16 bit: 21 GB."""
BYTES = FRAMES * SIDE * SIDE * 2

READ = """
import json, resource, sys, time
from pathlib import Path
import mrcfile, tifffile, zarr, h5py, numpy  # what any use imports once
from emgen.host import load_host
from emgen.data.opening import open_file
from emgen.data import frame_name
from emgen_readers import tiff, mrc, dm, emd, ngff
host, path = load_host(), Path(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
start, used = time.perf_counter(), time.process_time()
stack = open_file(path, host)
waited, opened = time.perf_counter() - start, time.process_time() - used
sums = [int(stack[i].image_HW.astype("i8").sum()) for i in (0, len(stack) - 1)]
told = {"seconds": opened, "waited": waited, "frames": len(stack), "sums": sums, "grown_mib": peak() - before}
print(json.dumps(told))
"""


def write_mrc(path: Path) -> None:
    with mrcfile.mmap(path, "w+") as file:
        file._open_memmap(np.dtype("<u2"), (FRAMES, SIDE, SIDE))
        file.header.mode, file.header.ispg = 6, 0
        file.header.nx = file.header.ny = file.header.mx = file.header.my = SIDE
        file.header.nz = FRAMES
        file.header.mz = 1
        file.voxel_size = 2.0
        file.data[-1, 5, 5] = 7


def write_tiff_in_one_piece(path: Path) -> None:
    mapped = tifffile.memmap(path, shape=(FRAMES, SIDE, SIDE), dtype="u2", bigtiff=True, photometric="minisblack")
    mapped[-1, 5, 5] = 7
    mapped.flush()


def write_imagej_hyperstack(path: Path) -> None:
    """As Fiji writes it: one page, all frames behind it, beyond what 32-bit offsets reach."""
    described = f"ImageJ=1.54f\nimages={FRAMES}\nframes={FRAMES}\nhyperstack=true\nunit=nm\nfinterval=0.1\n"
    tifffile.imwrite(path, noise(SIDE, SIDE), description=described, metadata=None, resolution=(5, 5))
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[0]
    with path.open("r+b") as file:
        file.truncate(offset + BYTES)
        file.seek(offset)
        file.write(b"\0" * SIDE * SIDE * 2)
        file.seek(offset + BYTES - 2)
        file.write(b"\7\0")


def write_tiff_page_by_page(path: Path) -> None:
    """Pages of one strip, each behind its own directory, as cameras write them."""
    frame = noise(SIDE, SIDE) * 0
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for _ in range(3):
            file.write(frame, metadata=None, photometric="minisblack", contiguous=False)
    # Three pages show the layout; the rest is made by links to sparse ground.
    _prolong(path)


def _prolong(path: Path) -> None:
    """Append FRAMES - 3 directories like the last, each pointing to data that were never written."""
    with tifffile.TiffFile(path) as file:
        last = file.pages[2]
        start = last.offset
        offset_at = last.tags["StripOffsets"].offset + 12
        length = 8 + 20 * len(last.tags) + 8
    with path.open("r+b") as file:
        file.seek(start)
        directory = bytearray(file.read(length))
        place = start
        end = path.stat().st_size
        for _ in range(FRAMES - 3):
            here = -(-end // 16) * 16
            file.seek(place + length - 8)
            file.write(here.to_bytes(8, "little"))
            directory[offset_at - start : offset_at - start + 8] = (here + length).to_bytes(8, "little")
            directory[-8:] = bytes(8)
            file.seek(here)
            file.write(directory)
            place, end = here, here + length + SIDE * SIDE * 2
        file.truncate(end)
        file.seek(end - 2)
        file.write(b"\7\0")


def write_dm4(path: Path) -> None:
    """A small movie whose tags are then told that it is long."""
    small = dm_image(noise(2, 8, 8) * 0, [0.2, 0.2, 0.1], ["nm", "nm", "s"])
    write_dm(path, small, thumbnail=False)
    content = path.read_bytes()
    word = lambda n: n.to_bytes(8, "big")
    for old, new in ((8, SIDE), (2, FRAMES)):
        tag = b"%%%%" + word(1) + word(3)
        content = content.replace(tag + old.to_bytes(4, "little"), tag + new.to_bytes(4, "little"))
    head = b"%%%%" + word(3) + word(20) + word(4)
    start = content.index(head + word(128)) + len(head) + 8
    with path.open("wb") as file:
        file.write(content[: start - 8] + word(BYTES // 2))
        file.seek(start + BYTES - 2)
        file.write(b"\7\0" + content[start + 256 :])


def write_velox(path: Path) -> None:
    with h5py.File(path, "w") as file:
        shape = (SIDE, SIDE, FRAMES)
        data = file.create_dataset("Data/Image/0/Data", shape, "u2", chunks=(SIDE, SIDE, 1))
        data[5, 5, FRAMES - 1] = 7


def write_zarr(path: Path) -> None:
    array = zarr.create_array(str(path), shape=(FRAMES, SIDE, SIDE), dtype="u2", chunks=(1, SIDE, SIDE))
    array[FRAMES - 1, 5, 5] = 7


WRITERS: dict[str, Callable[[Path], None]] = {
    "a.mrc": write_mrc,
    "one-piece.tif": write_tiff_in_one_piece,
    "hyperstack.tif": write_imagej_hyperstack,
    "pages.tif": write_tiff_page_by_page,
    "a.dm4": write_dm4,
    "a.emd": write_velox,
    "a.zarr": write_zarr,
}


@pytest.mark.parametrize("name", WRITERS)
def test_twenty_gigabytes_open_within_a_second_and_in_the_memory_of_a_frame(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(name, found)
    assert found["frames"] == FRAMES
    assert found["sums"] == [0, 7]
    assert found["seconds"] < 1  # of this process, whatever else the machine does
    assert found["grown_mib"] < 200
