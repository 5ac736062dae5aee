"""The microscope's side, against a service that cuts, refuses, fills up, dies and comes back.

Runs under Python 3.6 as well, with ``client.py`` alone in a folder ``emgen/copilot``.
"""

import ast
import contextlib
import hashlib
import json
import os
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from emgen.copilot import client as module
from emgen.copilot.client import Client, GaveUp, NoAccess, Refused, SentList, main, push

MIB = 1 << 20
TOKEN = "secret"


class Service(socketserver.ThreadingMixIn, HTTPServer):
    """What the protocol says, with faults on order.

    faults: for each request to come: ``None``, ``"cut"`` (half the body arrives, no answer), ``"mute"`` (all is done,
        no answer), ``"forget"`` (what was there is lost), or a status with its document and headers.
    """

    daemon_threads = True

    def __init__(self, port=0):
        HTTPServer.__init__(self, ("127.0.0.1", port), Handler)
        self.partial, self.accepted, self.headers, self.faults = {}, {}, {}, []
        self.requests, self.connections, self.events, self.events_each = [], 0, [], 2
        self.first_event = 0  # where a stream begins that nobody gave a start
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stand(self, digest):
        if digest in self.accepted:
            return {"offset": self.accepted[digest], "state": "accepted", "frames": [1], "known": True}
        size = len(self.partial.get(digest, b""))
        return {"offset": size, "state": "partial" if size else "new"}

    def add(self, digest, offset, body, header):
        stand = self.stand(digest)
        if stand["state"] == "accepted":
            return 200, stand
        if offset != stand["offset"]:
            return 409, {"offset": stand["offset"]}
        whole = self.partial[digest] = self.partial.get(digest, b"") + body
        if len(whole) < header["size"]:
            return 200, {"offset": len(whole), "state": "partial"}
        if hashlib.sha256(whole).hexdigest() != digest:
            del self.partial[digest]
            return 409, {"offset": 0}
        self.accepted[digest], self.headers[header["name"]] = len(whole), header
        return 200, {"offset": len(whole), "state": "accepted", "frames": [len(self.accepted)], "known": False}

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        BaseHTTPRequestHandler.setup(self)
        self.server.connections += 1

    def log_message(self, *about):
        pass

    def do_GET(self):
        if self.path.startswith("/events"):
            return self.send_events()
        return self.answer(b"")

    def do_PUT(self):
        fault = self.server.faults[0] if self.server.faults else None
        length = int(self.headers["Content-Length"])
        self.answer(self.rfile.read(length // 2 if fault == "cut" else length))

    def answer(self, body):
        fault = self.server.faults.pop(0) if self.server.faults else None
        parts = urlsplit(self.path)
        digest, query = parts.path.rpartition("/")[2], parse_qs(parts.query)
        offset = int(query.get("offset", ["0"])[0])
        self.server.requests.append((self.command, parts.path.split("/")[1], offset, len(body)))
        if self.headers["Authorization"] != "Bearer " + TOKEN:
            return self.send(401, {"reason": "wrong token"})
        if isinstance(fault, tuple):
            return self.send(*fault)
        if parts.path == "/session":
            return self.send(200, {"frames": 3})
        if fault == "forget":
            self.server.partial.clear()
        header = json.loads(self.headers.get("X-Emgen-Frame", "{}"))
        found = (
            (200, self.server.stand(digest)) if self.command == "GET" else self.server.add(digest, offset, body, header)
        )
        if fault in ("cut", "mute"):
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        return self.send(*found)

    def send(self, status, document, headers=None):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_events(self):
        first = self.server.first_event
        after = int(parse_qs(urlsplit(self.path).query).get("after", [first])[0])
        self.server.requests.append(("GET", "events", after, 0))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.piece(": heartbeat\n\n" + (f"id: {after}\n\n" if first else ""))
        for sequence, kind, data in [event for event in self.server.events if event[0] > after][
            : self.server.events_each
        ]:
            text = f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
            self.piece(text[:7])
            self.piece(text[7:])
        self.piece("id: 99\nevent: frame\ndata: half an ev")
        self.close_connection = True

    def piece(self, text):
        body = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.05)
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def told():
    return []


@pytest.fixture
def client(service, told):
    return Client(service.url, TOKEN, timeout=5, tell=told.append)


def noise(size):
    return np.random.RandomState(0).bytes(size)


def moves(service):
    """Method, offset and bytes of the uploads' requests."""
    return [(method, offset, size) for method, what, offset, size in service.requests if what == "uploads"]


def test_the_source_is_of_python_3_6_and_imports_its_standard_library_only():
    with open(module.__file__, encoding="utf-8") as file:
        source = file.read()
    tree = ast.parse(source, **({"feature_version": (3, 6)} if hasattr(ast, "unparse") else {}))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            names.add(node.module.partition(".")[0])
    names -= {"argparse", "collections", "contextlib", "hashlib", "http", "io", "json", "math", "os", "random", "re"}
    assert names <= {"socket", "ssl", "stat", "sys", "threading", "time", "typing", "urllib"}


def test_pasted_into_a_programs_python_it_defines_the_client_and_runs_nothing(monkeypatch):
    monkeypatch.setattr("sys.argv", [""])
    with open(module.__file__, encoding="utf-8") as file:
        source = file.read()
    names = {"__name__": "__main__"}
    exec(source, names)
    assert names["Client"]("workstation:8000").url == "http://workstation:8000"


def test_a_small_file_takes_one_request_and_says_what_is_known_of_it(service, client, tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"frame")
    os.utime(str(path), (1000, 1000))
    answer = client.send_file(path, pixel_size_nm=np.float32(0.5), closed_at=1001.5, metadata={"dose": np.int64(3)})
    assert answer["frames"] == [1]
    assert answer["known"] is False
    assert answer["sha256"] == hashlib.sha256(b"frame").hexdigest()
    assert moves(service) == [("PUT", 0, 5)]
    about = {"name": "a.tif", "size": 5, "pixel_size_nm": 0.5, "taken_at": 1000, "closed_at": 1001.5}
    assert service.headers["a.tif"] == dict(about, metadata={"dose": 3})


def test_a_large_file_goes_in_pieces_over_one_connection_and_is_not_sent_twice(service, client, tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(noise(2 * MIB + 10))
    assert client.send_file(path)["known"] is False
    assert moves(service) == [("GET", 0, 0), ("PUT", 0, MIB), ("PUT", MIB, MIB), ("PUT", 2 * MIB, 10)]
    assert service.connections == 1
    answer = client.send_file(path, name="copy.tif")
    assert (answer["known"], answer["frames"], moves(service)[4:]) == (True, [1], [("GET", 0, 0)])


def test_a_file_too_large_for_memory_is_read_as_it_is_sent(service, client, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY_BYTES", 100)
    path = tmp_path / "a.tif"
    path.write_bytes(noise(MIB + 10))
    client.send_file(path)
    assert service.accepted == {hashlib.sha256(noise(MIB + 10)).hexdigest(): MIB + 10}


def test_an_upload_goes_on_where_it_was_cut(service, client):
    service.faults = [None, None, "cut"]
    client.send_array(noise(2 * MIB), "a", shape=(1024, 1024), dtype="<u2")
    half = MIB // 2
    assert list(service.accepted.values()) == [2 * MIB]
    assert moves(service) == [
        ("GET", 0, 0),
        ("PUT", 0, MIB),
        ("PUT", MIB, half),
        ("PUT", MIB, MIB),  # again at once, as the service may only have closed a connection kept from before
        ("PUT", MIB + half, half),
    ]


def test_an_answer_that_is_lost_is_asked_for_again(service, client):
    service.faults = ["mute"]
    assert client.send_array(np.zeros((2, 3), "<u2"), "a")["frames"] == [1]
    assert moves(service) == [("PUT", 0, 12), ("GET", 0, 0)]


def test_a_wrong_offset_is_set_right_by_the_service(service, client):
    body = noise(MIB)
    service.partial[hashlib.sha256(body).hexdigest()] = body[:1000]
    client.send_array(body, "a", shape=(1024, 1024), dtype="|u1")
    assert moves(service) == [("PUT", 0, MIB), ("PUT", 1000, MIB - 1000)]


def test_a_service_that_lost_its_part_gets_it_again_but_is_not_hammered(service, client, told):
    service.faults = [None, None, "forget"]
    client.send_array(noise(2 * MIB), "a", shape=(1024, 1024), dtype="<u2")
    assert list(service.accepted.values()) == [2 * MIB]
    assert [move[:2] for move in moves(service)[2:]] == [("PUT", MIB), ("GET", 0), ("PUT", 0), ("PUT", MIB)]
    assert "stays at byte 0" in told[0]


def test_a_file_that_changes_while_it_is_sent_is_given_up(service, client, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY_BYTES", 100)
    path = tmp_path / "a.tif"
    path.write_bytes(noise(2 * MIB))
    add = service.add

    def change(*about):
        path.write_bytes(bytes(2 * MIB))
        return add(*about)

    service.add = change
    with pytest.raises(Refused, match="changed while it was sent"):
        client.send_file(path)


@pytest.mark.parametrize("status", [503, 507, 502, 429])
def test_a_full_or_absent_service_is_tried_again_and_told_of_once(service, client, told, status):
    service.faults = [(status, {"reason": "disk full"})] * 3
    client.send_array(np.zeros((2, 3), "<u2"), "a")
    assert len(service.accepted) == 1
    assert told == [f"{service.url} answers {status} (disk full). Trying again."]


def test_the_time_that_the_service_asks_to_wait_is_kept_to(service, client):
    service.faults = [(503, {"reason": "busy"}, {"Retry-After": "1"})]
    start = time.monotonic()
    client.send_array(np.zeros((2, 3), "<u2"), "a")
    assert time.monotonic() - start >= 1


def test_a_service_that_dies_and_comes_back_gets_the_rest(service, client, told):
    body = noise(3 * MIB)
    service.faults = [None, None]
    port, kept = service.server_address[1], service.partial
    service.stop()
    again = []

    def come_back():
        time.sleep(0.2)
        again.append(Service(port))
        again[0].partial = kept

    threading.Thread(target=come_back).start()
    kept[hashlib.sha256(body).hexdigest()] = body[: MIB + 5]
    client.send_array(body, "a", shape=(1024, 1536), dtype="<u2")
    again[0].stop()
    assert [offset for method, offset, _ in moves(again[0]) if method == "PUT"] == [MIB + 5, 2 * MIB + 5]
    assert "cannot be reached" in told[0]
    assert "goes on after" in told[-1]


def test_what_the_service_refuses_is_not_tried_again(service, client):
    for status, reason in ((422, "holds no image"), (413, "too large")):
        service.faults = [(status, {"reason": reason})]
        with pytest.raises(Refused, match=reason):
            client.send_array(np.zeros((2, 3), "u1"), "a")
    assert len(service.requests) == 2


def test_an_early_refusal_is_read_though_the_body_was_not(told):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)

    def refuse():
        connection, _ = listener.accept()
        connection.recv(1000)
        body = b'{"reason": "no room"}'
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        connection.close()

    threading.Thread(target=refuse, daemon=True).start()
    client = Client("127.0.0.1:" + str(listener.getsockname()[1]), timeout=5, tell=told.append)
    with pytest.raises(Refused, match="no room"):
        client.send_array(noise(MIB), "a", shape=(1024, 1024), dtype="|u1")
    listener.close()


def test_a_wrong_token_a_redirect_and_another_server_are_told_and_not_tried_again(service, told):
    with pytest.raises(NoAccess, match=r"401, wrong token.*Check the token"):
        Client(service.url, "wrong", tell=told.append).session()
    client = Client(service.url + "/?token=" + TOKEN, tell=told.append)
    service.faults = [(302, {}), (404, b"<html>")]
    with pytest.raises(NoAccess, match="not followed"):
        client.session()
    with pytest.raises(NoAccess, match="is no copilot"):
        client.session()
    service.faults = [(403, b"Host is no name of this service", {"Content-Type": "text/plain; charset=utf-8"})]
    with pytest.raises(NoAccess, match="Host is no name of this service"):
        client.session()
    assert client.session() == {"frames": 3}
    assert told == []


def test_it_gives_up_when_it_was_told_to(told):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", tell=told.append, give_up_after=0.2)
    start = time.monotonic()
    with pytest.raises(GaveUp, match=r"cannot be reached .* Gave up after 0 s"):
        client.session()
    assert time.monotonic() - start < 1


def test_stopping_ends_a_call_that_waits_for_the_service(service, client, told):
    service.faults = [(503, {"reason": "busy"})] * 10000
    threading.Timer(0.1, client.stop).start()
    with pytest.raises(GaveUp, match="Stopped"):
        client.session()


def test_the_environments_proxy_is_not_used_one_that_is_given_is(service, monkeypatch, told):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert Client(service.url, TOKEN, tell=told.append).session() == {"frames": 3}
    asked = []
    monkeypatch.setattr(Handler, "do_GET", lambda self: (asked.append(self.path), self.send(200, {}))[1])
    Client("http://workstation:8000", TOKEN, tell=told.append, proxy=service.url).session()
    assert asked == ["http://workstation:8000/session"]


def test_a_kept_connection_that_the_service_closed_is_made_anew_without_a_word(service, client, told):
    client.session()
    client._connection.sock.shutdown(socket.SHUT_RDWR)
    assert client.session() == {"frames": 3}
    assert (service.connections, told) == (2, [])


@pytest.mark.parametrize("dtype", ["|u1", "<u2", ">i2", "<f4"])
def test_arrays_come_as_rows_with_their_shape_and_type(service, client, dtype):
    image_HW = np.arange(6).reshape(3, 2).T.astype(dtype)  # columns first in memory
    client.send_array(image_HW, "area 3\n\udcff", pixel_size_nm=0.25, taken_at=5)
    (header,) = service.headers.values()
    assert (header["name"], header["shape"], header["dtype"]) == ("area 3\n?", [2, 3], dtype)
    assert (header["pixel_size_nm"], header["taken_at"]) == (0.25, 5)
    (sent,) = service.partial.values()
    assert np.array_equal(np.frombuffer(sent, dtype).reshape(2, 3), image_HW)


@pytest.mark.parametrize(
    ("array", "facts"),
    [
        (np.zeros((2, 2, 2), "u1"), {}),
        (np.zeros((2, 2), object), {}),
        (b"12345", {"shape": (2, 2), "dtype": "|u1"}),
        (b"1234", {}),
        (np.zeros((2, 2), "u1"), {"pixel_size_nm": float("nan")}),
        (np.zeros((2, 2), "u1"), {"metadata": {"log": "x" * 20000}}),
    ],
)
def test_what_cannot_be_a_frame_is_refused_before_it_is_sent(service, client, array, facts):
    with pytest.raises(ValueError, match=r"frame is H x W|bytes are not|facts"):
        client.send_array(array, "a", **facts)
    assert not service.requests


def frame(sequence, nm, **more):
    return (
        sequence,
        "frame",
        dict({"frame": sequence, "state": "done", "particles": 9, "mean_diameter_nm": nm}, **more),
    )


def test_following_goes_on_after_the_last_event_when_the_stream_is_cut(service, client, told):
    service.events = [(1, "frame", {"frame": 1}), (2, "alarm", {"since": 1}), (5, "frame", {"name": "é\n"})]
    events = client.follow()
    assert [next(events) for _ in range(3)] == service.events
    events.close()
    assert [after for _, what, after, _ in service.requests if what == "events"] == [0, 2]
    events = client.follow(after=2)
    assert next(events) == service.events[2]
    events.close()


def test_following_from_now_on_misses_nothing_when_it_is_cut_before_the_first_event(service, client):
    service.first_event = 7
    service.events = []
    events = client.follow()
    threading.Timer(0.1, lambda: service.events.append((8, "frame", {}))).start()
    threading.Timer(0.05, lambda: setattr(service, "first_event", 8)).start()
    assert next(events)[0] == 8
    events.close()


def test_frames_can_be_sent_while_events_are_followed(service, client):
    service.events, service.events_each = [frame(1, 3.0), frame(2, 3.0)], 1
    for sequence, _, _ in client.follow():
        client.send_array(np.full((2, 2), sequence, "u1"), "a")
        if sequence == 2:
            break
    assert len(service.accepted) == 2


@pytest.mark.parametrize("sign", [1, -1], ids=["grows", "shrinks"])
def test_waiting_ends_when_the_running_mean_passes_the_diameter(service, client, sign):
    values = [3.0, 3.5, 4.0, 9.9, 4.5, 5.0, 5.5]
    service.events = [frame(number, 10 + sign * value) for number, value in enumerate(values, 1)]
    service.events[3] = frame(4, 99.0, state="failed")
    assert client.wait_for_mean_diameter(10 + sign * 4.5) == pytest.approx(10 + sign * 4.5)  # of 4, 4.5, 5


def test_waiting_counts_an_answer_renewed_once_and_passes_over_what_has_no_diameter(service, client, told):
    service.events = [frame(1, 1.0), frame(2, None, name="b.tif"), frame(3, 0.0, particles=0), (4, "swap", {})]
    service.events += [frame(5, 3.0, frame=1), frame(6, 5.0)]
    assert client.wait_for_mean_diameter(4.0, frames=2, direction="grow") == 4.0
    assert any("b.tif has no pixel size" in line for line in told)


def test_waiting_passes_over_frames_that_are_answered_late(service, client):
    service.events = [frame(1, 5.0, frame=7), frame(2, 1.0, frame=3), frame(3, 5.0, frame=8)]
    assert client.wait_for_mean_diameter(5.0, frames=2, direction="grow") == 5.0


def test_particles_that_the_edge_cuts_are_no_lack_of_a_pixel_size(service, client, told):
    service.events = [frame(1, None, mean_diameter_px=None), frame(2, 5.0)]
    assert client.wait_for_mean_diameter(5.0, frames=1, direction="grow") == 5.0
    assert not any("pixel size" in line for line in told)


def test_waiting_ends_at_its_time(service, client):
    service.events = [frame(1, 1.0)]
    start = time.monotonic()
    with pytest.raises(GaveUp, match=r"did not reach 4 nm within 0\.3 s"):
        client.wait_for_mean_diameter(4.0, give_up_after=0.3)
    assert 0.3 <= time.monotonic() - start < 1.5


def test_a_stream_that_falls_silent_is_made_anew(service, client, monkeypatch, told):
    monkeypatch.setattr(module, "SILENCE_S", 0.1)
    whole = Handler.send_events
    calls = []

    def silent_first(self):
        calls.append(1)
        if len(calls) > 1:
            whole(self)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.flush()
        time.sleep(1)
        self.close_connection = True

    monkeypatch.setattr(Handler, "send_events", silent_first)
    service.events = [frame(1, 1.0)]
    start = time.monotonic()
    assert next(client.follow())[0] == 1
    assert time.monotonic() - start < 0.9


def test_pushing_sends_each_file_once_and_again_only_when_it_changed(service, client, tmp_path):
    folder, state = tmp_path / "data", str(tmp_path / "state" / "sent.jsonl")
    folder.mkdir()
    for name in ("a.tif", "b.dm4", "c.txt", "d.tif.part", ".e.tif"):
        (folder / name).write_bytes(name.encode())
    again = lambda: push(str(folder), client, SentList(state), settle_s=0.05, period_s=0.02, once=True)
    assert again() == 0
    assert sorted(service.headers) == ["a.tif", "b.dm4"]
    sent = len(moves(service))
    with open(state, "ab") as file:
        file.write(b'{"name": "a.ti')  # torn by a power cut
    assert again() == 0
    assert len(moves(service)) == sent
    (folder / "a.tif").write_bytes(b"grown")
    again()
    assert len(moves(service)) == sent + 1
    with open(state) as file:
        lines = [json.loads(line) for line in file]
    assert [(line["name"], line["size"]) for line in lines] == [("a.tif", 5), ("b.dm4", 5), ("a.tif", 5)][-len(lines) :]
    assert lines[-1]["sha256"] == hashlib.sha256(b"grown").hexdigest()


def test_pushing_waits_for_a_file_to_stay_as_it_is(service, client, tmp_path):
    stop = threading.Event()

    def write():
        with open(str(tmp_path / "a.tif"), "wb") as file:
            for _ in range(10):
                file.write(b"x")
                file.flush()
                time.sleep(0.03)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.02)
    push(str(tmp_path), client, SentList(str(tmp_path / "sent")), settle_s=0.2, period_s=0.01, once=True)
    writer.join()
    assert list(service.accepted.values()) == [10]


def test_a_refused_file_is_told_noted_and_does_not_stop_the_others(service, client, told, tmp_path):
    for number, name in enumerate(("a.tif", "b.tif")):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(str(tmp_path / name), (number, number))
    service.faults = [None, (422, {"reason": "holds no image"})]
    sent = lambda: SentList(str(tmp_path / "sent"))
    assert push(str(tmp_path), client, sent(), settle_s=0, period_s=0.01, once=True) == 1
    assert list(service.headers) == ["b.tif"]
    assert any("a.tif is refused: holds no image" in line for line in told)
    assert push(str(tmp_path), client, sent(), settle_s=0, period_s=0.01, once=True) == 0
    assert len(moves(service)) == 2


def test_the_command_pushes_and_follows(service, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EMGEN_TOKEN", TOKEN)
    (tmp_path / "a.tif").write_bytes(b"x")
    words = [
        "push",
        str(tmp_path),
        "--to",
        service.url,
        "--state",
        str(tmp_path / "state"),
        "--settle",
        "0.01",
        "--once",
    ]
    assert main(words) == 0
    assert list(service.headers) == ["a.tif"]
    assert main([*words, "--token", "wrong", "--again"]) == 2
    assert "Check the token" in capsys.readouterr().err
    service.events = [frame(1, 2.0)]
    original = Client.follow
    monkeypatch.setattr(Client, "follow", lambda self, after: [next(original(self, after))])
    with contextlib.suppress(StopIteration):
        assert main(["follow", "--to", service.url]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["mean_diameter_nm"] == 2.0
