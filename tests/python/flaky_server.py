"""An HTTP server for one test, that misbehaves as the test says."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request: `path` as it came, still quoted; `query` with the last value of each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


Answer = Callable[[BaseHTTPRequestHandler], None]
Answering = Callable[[Asked], Answer]


@dataclass
class FlakyServer:
    """`answering` says what to answer to a request; `asked` holds those that came."""

    url: str
    asked: list[Asked]
    released: Event
    answering: Answering

    def then(self, *answers: Answer) -> None:
        """Give these answers in turn, the last one again and again."""
        left = list(answers)
        self.answering = lambda _: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def flaky_server() -> Iterator[FlakyServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            asked = Asked(self.command, parts.path, query, headers, body)
            flaky.asked.append(asked)
            flaky.answering(asked)(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    flaky = FlakyServer(f"http://127.0.0.1:{server.server_port}", [], Event(), lambda _: reset())
    Handler.released = flaky.released  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield flaky
    finally:
        flaky.released.set()
        server.shutdown()
        server.server_close()


def text(body: str | bytes, status: int = 200, **headers: str) -> Answer:
    """Answer the text; an underscore in the name of a header is a dash."""
    data = body.encode() if isinstance(body, str) else body

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _start(handler, status, len(data), headers)
        handler.wfile.write(data)

    return answer


def value(value: Any, status: int = 200, **headers: str) -> Answer:
    """Answer a value as JSON."""
    return text(json.dumps(value), status, **{"Content_Type": "application/json"} | headers)


def half(value: Any) -> Answer:
    """Answer the first half of a value as JSON, and close the connection."""
    data = json.dumps(value).encode()
    return _broken(data[: len(data) // 2], len(data))


def short(value: Any) -> Answer:
    """Answer a value as JSON, and close the connection before as much came as was promised."""
    data = json.dumps(value).encode()
    return _broken(data, len(data) + 1)


def _broken(data: bytes, length: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        _start(handler, 200, length, {})
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def reset() -> Answer:
    """Reset the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True
        handler.wfile = handler.rfile  # type: ignore[assignment]

    return answer


def silent(value: Any, *, in_the_middle: bool = False) -> Answer:
    """Say nothing, or the half of it, until the test is over."""
    data = json.dumps(value).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if in_the_middle:
            _start(handler, 200, len(data), {})
            handler.wfile.write(data[: len(data) // 2])
            handler.wfile.flush()
        handler.released.wait(30)  # type: ignore[attr-defined]
        handler.close_connection = True

    return answer


def _start(
    handler: BaseHTTPRequestHandler, status: int, length: int, headers: dict[str, str]
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(length))
    for name, content in headers.items():
        handler.send_header(name.replace("_", "-"), content)
    handler.end_headers()
