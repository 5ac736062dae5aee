"""The interface for programs: JSON over HTTP, and events as they happen. ``/openapi.json`` describes it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from emgen.copilot.header import Header as Facts
from emgen.copilot.incoming import MEGABYTE, Incoming
from emgen.copilot.intake import Taken, header_of
from emgen.copilot.service import Service
from emgen.copilot.settings import Policy
from emgen.copilot.stalls import DiskFullError, StalledError
from emgen.copilot.uploads import Stand, TooLargeError, WrongOffsetError
from emgen.errors import DataError, ModelError, OutputError

HEARTBEAT_S = 15.0
RETRY_AFTER_S = 5
_GONE = 499
"""Nobody reads it: the sender was cut off, which is no fault of the service and fills no log."""
_FORM = 1 << 20
"""Bytes that a form may have besides its file."""
T = TypeVar("T")
FrameHeader = Annotated[
    str | None,
    Header(alias="X-Emgen-Frame", description="JSON: name, and of a raw array shape, dtype, pixel_size_nm"),
]


def add_routes(app: FastAPI, service: Service) -> None:
    """All of them on ``app``."""
    app.include_router(_intake(service))
    app.include_router(_session(service))
    app.include_router(_frames(service))
    app.include_router(_control(service))
    app.include_router(_exports(service))
    app.add_exception_handler(TooLargeError, lambda request, error: _problem(413, error))
    app.add_exception_handler(DataError, lambda request, error: _problem(422, error))
    app.add_exception_handler(ModelError, lambda request, error: _problem(422, error))
    app.add_exception_handler(DiskFullError, lambda request, error: _problem(507, error))
    app.add_exception_handler(StalledError, lambda request, error: _problem(503, error))
    app.add_exception_handler(ClientDisconnect, lambda request, error: Response(status_code=_GONE))
    app.add_exception_handler(WrongOffsetError, _wrong_offset)
    app.add_exception_handler(OutputError, lambda request, error: _problem(507, error))


def _problem(status: int, error: Exception) -> JSONResponse:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in (503, 507) else None
    return JSONResponse({"reason": str(error)}, status, headers=headers)


def _wrong_offset(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WrongOffsetError)
    return JSONResponse({"offset": error.offset, "reason": str(error)}, 409)


def _intake(service: Service) -> APIRouter:
    router = APIRouter(tags=["frames come in"])

    @router.post("/frames")
    async def post_frame(
        request: Request, x_emgen_frame: FrameHeader = None, name: str | None = Query(None, max_length=1024)
    ) -> dict[str, Any]:
        """One frame in one request: the body is a file of any format that `emgen info` reads, or a raw array.

        A file sent as `multipart/form-data` (field `file`) is taken too. What is known already is not taken twice.
        Answers once the frame stands in the journal. 413 too large, 422 not a micrograph, 507 the disk is full,
        503 nothing can be written for another reason; it says which.
        """
        async with _body(service, request) as body:
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                name = await _receive_form(request, body, service.uploads.limit)
            else:
                await _receive(request, body, service.uploads.limit)
            facts = _facts(x_emgen_frame, name)
            return await _taken(service, lambda: service.uploads.take_whole(body, facts))

    @router.get("/uploads/{digest}")
    async def upload_stand(digest: str) -> dict[str, Any]:
        """Where an upload in pieces goes on. `digest`: SHA-256 of the whole."""
        return service.uploads.stand(digest).told()

    @router.put("/uploads/{digest}")
    async def put_piece(
        digest: str, request: Request, offset: int = Query(0, ge=0), x_emgen_frame: FrameHeader = None
    ) -> dict[str, Any]:
        """A piece from byte `offset` on; with the last one the frame is taken. `X-Emgen-Frame` holds `size`.

        409 names the offset to go on from.
        """
        async with _body(service, request) as piece:
            await _receive(request, piece, service.uploads.limit)
            facts = _facts(x_emgen_frame, None)
            return await _taken(service, lambda: service.uploads.add(digest, offset, piece, facts))

    return router


@asynccontextmanager
async def _body(service: Service, request: Request) -> AsyncIterator[Incoming]:
    """For what the request brings. Where it cannot be taken now, the page says why, as the answer does."""
    length, limit = request.headers.get("content-length", ""), service.uploads.limit
    try:
        with service.uploads.body(min(int(length), limit) if length.isdecimal() else 0) as body:
            yield body
    except StalledError as error:
        service.stall(error)
        await _let_pass(request, limit)
        raise


async def _let_pass(request: Request, limit: int) -> None:
    """The rest of a body: a sender that is cut off while it writes never sees the answer."""
    with suppress(RuntimeError, ClientDisconnect, TooLargeError):  # RuntimeError: there is no rest
        async for _ in _limited(request, limit):
            pass


async def _receive(request: Request, body: Incoming, limit: int) -> None:
    """Into its file, a block at a time: other requests are served meanwhile, and few bytes are in memory."""
    block = bytearray()
    async for part in _limited(request, limit):
        block += part
        if len(block) > MEGABYTE:  # not of one that a piece consists of: that is one call of a thread less
            await asyncio.to_thread(body.write, bytes(block))
            block.clear()
    await asyncio.to_thread(body.end, bytes(block))


async def _receive_form(request: Request, body: Incoming, limit: int) -> str | None:
    """The form's file; its name there."""
    from starlette.formparsers import MultiPartException

    from emgen.copilot.form import FormParser

    try:
        form = await FormParser(request.headers, _limited(request, limit + _FORM), body).parse()
    except MultiPartException as error:
        raise DataError(f"the form cannot be read ({error}).") from error
    file = form.get("file")
    if file is None or isinstance(file, str):
        raise DataError("file: the form has no file of that name.")
    if body.size > limit:
        raise TooLargeError(f"{file.filename}: {body.size} bytes; the service takes {limit} at most.")
    await asyncio.to_thread(body.end)
    return file.filename


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Not one byte more than allowed is kept, whatever `Content-Length` says. Raises ``TooLargeError``."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes.")
        yield part


def _facts(header: str | None, name: str | None) -> Facts:
    try:
        facts = json.loads(header) if header else {}
    except ValueError as error:
        raise DataError(f"X-Emgen-Frame: not JSON ({error}).") from error
    if not isinstance(facts, dict):
        raise DataError("X-Emgen-Frame: a JSON object is expected.")
    return header_of({**({"name": name} if name else {}), **facts})


async def _taken(service: Service, take: Callable[[], Stand]) -> dict[str, Any]:
    begun = time.time()
    try:
        stand = await asyncio.to_thread(take)
    finally:
        service.news.tell()
    if stand.state == "accepted" and not stand.is_known:
        service.came_in(Taken(list(stand.frames), False), {"take in": time.time() - begun})
    return stand.told()


def _session(service: Service) -> APIRouter:
    router = APIRouter(tags=["the session"])

    @router.get("/session")
    async def session() -> dict[str, Any]:
        """State, counts, model, alarm, size distribution of the session, latency by stage."""
        return await asyncio.to_thread(service.session)

    @router.get("/trend")
    async def trend() -> dict[str, Any]:
        """Mean diameter, number, coverage and distance from the domain against time; at most 1,000 points."""
        return {"unit": service.unit, **service.trend[service.unit].told()}

    @router.get("/events")
    async def events(
        after: int | None = Query(None, description="number of the last event that is known; by default only new ones"),
        last_event_id: Annotated[int | None, Header()] = None,
    ) -> StreamingResponse:
        """Server-sent events: `frame`, `alarm`, `model`, `refused`, `failed`, `skipped`, `adaptation`, … as JSON.

        The number of each is its `id`: with `after` (or `Last-Event-ID`) a script that was cut off misses none.
        """
        known, last = after if after is not None else last_event_id, service.journal.last_event()
        begin = last if known is None else known if known <= last else 0  # a number of another session's
        return StreamingResponse(_stream(service, begin), media_type="text/event-stream", headers=_LIVE)

    @router.get("/client.py", response_class=FileResponse)
    async def client() -> FileResponse:
        """The microscope's side in one file: Python 3.6 on, nothing else needed."""
        return FileResponse(Path(__file__).with_name("client.py"), media_type="text/x-python", filename="client.py")

    @router.get("/set-aside")
    async def set_aside(limit: int = Query(100, ge=1, le=10_000)) -> list[dict[str, Any]]:
        """What could not be read or segmented, the newest first, each with its reason."""
        return service.journal.set_aside(limit)

    return router


_LIVE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def _stream(service: Service, after: int) -> AsyncIterator[str]:
    yield f"id: {after}\n: emgen copilot\n\n"  # a script that is cut off before its first event knows where it was
    sent = time.monotonic()
    while True:
        seen = service.news.count
        rows = await asyncio.to_thread(service.journal.events, after)
        for row in rows:
            after = row["id"]
            data = json.dumps({**row["data"], "at": row["at"]})
            yield f"id: {row['id']}\nevent: {row['kind']}\ndata: {data}\n\n"
        # Much that is news (how far an adaptation is) is no event: what was sent counts, not what was told.
        if not rows and (silent_s := time.monotonic() - sent) < HEARTBEAT_S:
            await service.news.wait(seen, HEARTBEAT_S - silent_s)
            continue
        if not rows:
            yield ": still here\n\n"
        sent = time.monotonic()


def _frames(service: Service) -> APIRouter:
    router, journal, places = APIRouter(tags=["results"]), service.journal, service.places

    def known(frame: int) -> dict[str, Any]:
        if (row := journal.frame(frame)) is None:
            raise HTTPException(404, f"there is no frame {frame}")
        return row

    @router.get("/frames")
    async def frames(
        after: int = 0, limit: int = Query(100, ge=1, le=1000), state: str | None = None
    ) -> list[dict[str, Any]]:
        """In the order they came in, from the one after `after` on. `state`: queued, done, failed, skipped, later."""
        return [_public(row) for row in journal.frames(after, limit, state=state)]

    @router.get("/frames/{frame}")
    async def frame(frame: int) -> dict[str, Any]:
        """One frame; with its size distribution once it is answered."""
        row, sizes = known(frame), await asyncio.to_thread(service.sizes_of, frame)
        return {**_public(row), "sizes": None if sizes is None else sizes.told()}

    @router.get("/frames/{frame}/particles.csv", response_class=Response)
    async def particles(frame: int) -> Response:
        """One row a particle, as `emgen segment` writes it."""
        from emgen.particles.tables import table_from_bytes

        row, data = known(frame), journal.table(frame)
        if data is None:
            raise HTTPException(404, f"frame {frame} is not answered yet")
        text = table_from_bytes(data, row["name"]).to_csv(index=False, float_format="%.6g")
        return Response(text, media_type="text/csv; charset=utf-8")

    for path, place, kind in (
        ("picture.jpg", places.picture, "image/jpeg"),
        ("contours.png", places.contours, "image/png"),
        ("labels.tif", places.labels_file, "image/tiff"),
    ):
        _file_route(router, path, place, kind)
    return router


def _file_route(router: APIRouter, name: str, place: Callable[[int], Any], kind: str) -> None:
    @router.get(f"/frames/{{frame}}/{name}", response_class=FileResponse, name=name)
    async def file(frame: int, request: Request) -> Response:
        found = place(frame)
        if not found.exists():
            raise HTTPException(404, f"frame {frame} is not answered yet")
        # A browser asks each time: another session at the same address counts its frames from 1 as well.
        headers = {"Cache-Control": "private, no-cache"}
        answer = FileResponse(found, media_type=kind, headers=headers, stat_result=found.stat())
        if request.headers.get("if-none-match") == answer.headers["etag"]:
            return Response(status_code=304, headers={**headers, "ETag": answer.headers["etag"]})
        return answer


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("stored",)}


def _control(service: Service) -> APIRouter:
    router = APIRouter(tags=["control"])

    @router.post("/pause")
    async def pause() -> dict[str, bool]:
        """Frames still come in; none is answered until `/resume`."""
        service.pause(True)
        return {"paused": True}

    @router.post("/resume")
    async def resume() -> dict[str, bool]:
        service.pause(False)
        return {"paused": False}

    @router.post("/policy/{policy}")
    async def policy(policy: Policy) -> dict[str, str]:
        """`all`: every frame in order. `newest`: what has waited is skipped for the last one."""
        service.set_policy(policy)
        return {"policy": policy}

    @router.post("/failed/process")
    async def process_failed() -> dict[str, int]:
        """Frames that could not be segmented are tried again, when nothing else waits."""
        return {"frames": service.process_failed()}

    @router.post("/skipped/process")
    async def process_skipped() -> dict[str, int]:
        """Skipped frames are answered after all, when nothing else waits."""
        return {"frames": service.process_skipped()}

    @router.post("/count-from/{frame}")
    async def count_from(frame: int) -> dict[str, int]:
        """The session's size distribution begins with this frame; 0: with the first."""
        await service.count_from(frame)
        return {"counted_from": frame}

    @router.post("/frames/{frame}/mark")
    async def mark(frame: int, marked: bool = Body(True), remark: str = Body("", max_length=2000)) -> dict[str, bool]:
        """Marks a frame, with a remark."""
        if not service.mark(frame, marked, remark):
            raise HTTPException(404, f"there is no frame {frame}")
        return {"marked": marked}

    @router.post("/model")
    async def use_model(place: str = Body(embed=True)) -> dict[str, Any]:
        """Answers with another model (a folder on the service's machine) from the next frame on."""
        await service.use(place, "asked for by a script")
        return {"model": service.model, "place": place}

    @router.post("/adaptation/start")
    async def adapt(
        modality: str | None = Body(None, max_length=100), minutes: float | None = Body(None, gt=0, le=1440)
    ) -> dict[str, Any]:
        """The tandem on the newest frames, in the background. `modality`: of the frames; null finds it out."""
        if modality is not None and modality not in service.adaptation.modalities():
            raise HTTPException(422, f"modality: {modality!r} is not installed")
        await service.adaptation.start(modality, minutes)
        return service.adaptation.told()

    @router.post("/adaptation/stop")
    async def stop_adapting() -> dict[str, Any]:
        await service.adaptation.stop()
        return service.adaptation.told()

    @router.post("/adaptation/use")
    async def use_adapted() -> dict[str, Any]:
        """Swaps the adaptation's model in, whatever the comparison says."""
        if not await service.adaptation.use_candidate():
            raise HTTPException(409, "there is no model of an adaptation to use")
        return {"model": service.model}

    @router.post("/model/back")
    async def back() -> dict[str, Any]:
        """To the model before."""
        if not await service.go_back():
            raise HTTPException(409, "there is no model to go back to")
        return {"model": service.model}

    return router


def _exports(service: Service) -> APIRouter:
    router = APIRouter(tags=["exports"])

    def known(kind: str) -> str:
        if kind not in service.exports.kinds:
            raise HTTPException(404, f"{kind!r} is none of {', '.join(service.exports.kinds)}")
        return kind

    @router.get("/exports")
    async def exports() -> list[dict[str, Any]]:
        """What can be taken away: `kind`, `words`, whether it is `ready`, and `progress` while it is made."""
        made = service.exports
        return [
            {"kind": kind, "words": words, "ready": made.path(kind) is not None, "progress": made.progress(kind)}
            for kind, words in made.kinds.items()
        ]

    @router.post("/exports/{kind}")
    async def make_export(kind: str) -> dict[str, str]:
        """Makes it of what is known now; answers when it is ready."""
        await service.exports.make(known(kind))
        return {"ready": f"/exports/{kind}"}

    @router.get("/exports/{kind}", response_class=FileResponse)
    async def export(kind: str) -> FileResponse:
        """The one that was made last."""
        if (path := service.exports.path(known(kind))) is None:
            raise HTTPException(404, f"{kind} is not made yet: POST /exports/{kind}")
        return FileResponse(path, filename=kind, headers={"Cache-Control": "no-store"})

    return router
