"""A form with a file: the file goes into a ``Incoming``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from emgen.copilot.incoming import Incoming

_FIELDS = 4


class FormParser(MultiPartParser):
    """Starlette's own keeps a file in the system's temporary folder, which may be small, or a part of the memory."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], body: Incoming) -> None:
        super().__init__(headers, stream, max_files=1, max_fields=_FIELDS)
        self._body = body

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if (file := self._current_part.file) is not None:
            file.file.close()
            self._current_part.file = _FileOfForm(self._body, file)


class _FileOfForm(UploadFile):
    def __init__(self, body: Incoming, replaced: UploadFile) -> None:
        super().__init__(replaced.file, filename=replaced.filename, headers=replaced.headers)
        self._body = body

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._body.write, data)

    async def seek(self, offset: int) -> None:
        """Asked for at the end; nobody reads it here."""
