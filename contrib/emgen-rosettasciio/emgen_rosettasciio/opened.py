"""The file that was read last stays open, and no other."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from emgen_rosettasciio.formats import FORMATS

Signals = list[dict[str, Any]]


class LastOpened:
    """What RosettaSciIO reads of a file, lazily, kept until another file is asked for.

    A lazy array holds its file open. A folder of thousands of files would need as many handles; opened anew for each
    frame, a Velox movie would be parsed thousands of times. A file that was written anew is read anew.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._key: tuple[Path, int] | None = None
        self._signals: Signals = []
        self._handles: list[Any] = []

    @contextmanager
    def signals(self, path: Path) -> Iterator[Signals]:
        """The file's signals, to be read inside the block."""
        key = path.absolute(), path.stat().st_mtime_ns
        with self._lock:
            if key != self._key:
                self.close()
                before = _handles_of(path)
                self._signals = _read(path)
                self._handles = [handle for handle in _handles_of(path) if handle not in before]
                self._key = key
            yield self._signals

    def close(self) -> None:
        """Mapped memory goes with its arrays; HDF5 files are closed by hand, since RosettaSciIO remembers them."""
        with self._lock:
            self._signals, self._key = [], None
            while self._handles:
                self._handles.pop().close()


def _read(path: Path) -> Signals:
    chosen = FORMATS[path.suffix.lower()]
    signals: Signals = import_module(chosen.module).file_reader(str(path), lazy=True, **chosen.options)
    return [signal for signal in signals if np.ndim(signal["data"])]


def _handles_of(path: Path) -> list[Any]:
    """The open HDF5 files of that path. The way over a lazy array writes out its whole graph: seconds for a movie."""
    import h5py

    identifiers = h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE)
    return [h5py.File(one) for one in identifiers if one.name == os.fsencode(path)]
