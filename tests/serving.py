"""Servers on the loopback for tests: of files with ranges or without, S3, a proxy with faults, a cluster of Dask."""

from __future__ import annotations

import http.client
import logging
import os
import re
import select
import socket
import struct
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


START_SECONDS = 30
STALL_SECONDS = 60
WAIT = f"""
import sys
from distributed import Client
with Client(sys.argv[1], timeout={START_SECONDS}) as client:
    if int(sys.argv[2]):
        client.wait_for_workers(int(sys.argv[2]), timeout={START_SECONDS})
"""


class Asked(NamedTuple):
    """A request: its method, its path with the query, its range, how many bytes are sent, and its If-Match."""

    method: str
    path: str
    range: str
    sent: int
    tag: str = ""


class Fault(NamedTuple):
    """What happens to the requests that match a pattern of "METHOD path range", from the first on to the last.

    `action` is a status, or one of cut (after half of the body), stall (before it) and reset (of the connection).
    """

    pattern: str
    action: str
    first: int = 0
    last: int = 1 << 30


class Files:
    """Files by path, and how they are served; `asked` are the requests so far."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.headers: dict[str, str] = {}  # demanded of each request
        self.pages: dict[str, tuple[int, bytes, dict[str, str]]] = {}  # whole answers, by path and query
        self.asked: list[Asked] = []
        self.sends_ranges = self.has_head = True
        self.url = ""

    def tag_of(self, path: str) -> str:
        """Return the ETag of a file."""
        return self.tags.get(path, f'"{hash(self.files[path]):x}"')


def _handler_of(served: Files) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def answer(self, status: int, headers: dict[str, str], body: bytes = b"", size: int | None = None) -> None:
            tag = self.headers.get("If-Match", "")
            served.asked.append(Asked(self.command, self.path, self.headers.get("Range", ""), len(body), tag))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body) if size is None else size), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            if served.has_head:
                self.go(has_body=False)
            else:
                self.answer(403, {})

        def do_GET(self) -> None:
            self.go(has_body=True)

        def go(self, *, has_body: bool) -> None:
            path = self.path.partition("?")[0]
            if any(self.headers.get(name) != value for name, value in served.headers.items()):
                return self.answer(401, {})
            if self.path in served.pages:
                status, body, headers = served.pages[self.path]
                return self.answer(status, headers, body)
            if path not in served.files:
                return self.answer(404, {})
            data, tag = served.files[path], served.tag_of(path)
            if self.headers.get("If-Match", tag) != tag:
                return self.answer(412, {})
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked is None or not served.sends_ranges:
                return self.answer(200, {"ETag": tag}, data if has_body else b"", len(data))
            start, stop = int(asked[1]), min(int(asked[2]) + 1, len(data))
            headers = {"ETag": tag, "Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
            return self.answer(206, headers, data[start:stop])

    return Handler


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # clients that go away
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def file_server() -> Iterator[Files]:
    """Serve files over HTTP."""
    served = Files()
    with _served(_handler_of(served)) as served.url:
        yield served


class Proxy:
    """A proxy before a server: its `url`, the `faults` it makes, and the requests so far."""

    def __init__(self, host: str) -> None:
        self.host, self.url = host, ""
        self.faults: list[Fault] = []
        self.seen: dict[Fault, int] = {}
        self.asked: list[Asked] = []
        self.before: Callable[[str], None] = lambda line: None  # done before each request goes on

    def action(self, line: str) -> str:
        """Return what is to happen to a request."""
        for fault in self.faults:
            if re.search(fault.pattern, line):
                count = self.seen[fault] = self.seen.get(fault, -1) + 1
                if fault.first <= count <= fault.last:
                    return fault.action
        return ""


def _proxy_of(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def go(self) -> None:
            asked_range = self.headers.get("Range", "")
            line = f"{self.command} {self.path} {asked_range}"
            proxy.before(line)
            action = proxy.action(line)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if action == "reset":
                proxy.asked.append(Asked(self.command, self.path, asked_range, 0))
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.rfile.close()
                self.wfile.close()
                self.connection.close()
                self.close_connection = True
                return
            upstream = http.client.HTTPConnection(proxy.host)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            if not action.isdecimal():
                try:
                    upstream.request(self.command, self.path, body or None, headers)
                    answer = upstream.getresponse()
                    data = answer.read()
                except (OSError, http.client.HTTPException):
                    action = "502"  # what is cut is a fault that was asked for
                finally:
                    upstream.close()
            if action.isdecimal():
                proxy.asked.append(Asked(self.command, self.path, asked_range, 0))
                self.send_response(int(action))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            part = data[: len(data) // 2] if action in ("cut", "stall") else data
            proxy.asked.append(Asked(self.command, self.path, asked_range, len(part)))
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
            self.end_headers()
            self.wfile.write(part)
            if action == "stall":
                select.select([self.connection], [], [], STALL_SECONDS)  # until the client goes away, never before
            if action in ("cut", "stall"):
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = go  # noqa: N815 (the names of the base class)

    return Handler


@contextmanager
def proxy_before(url: str) -> Iterator[Proxy]:
    """Put a proxy before a server."""
    proxy = Proxy(url.removeprefix("http://"))
    with _served(_proxy_of(proxy)) as proxy.url:
        yield proxy


@contextmanager
def s3_server() -> Iterator[tuple[str, Any]]:
    """Serve S3; yield its URL and a client of boto3 that may do everything there."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **keys)
    try:
        yield url, client
    finally:
        client.close()
        server.stop()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Worker(NamedTuple):
    """How a worker is started: by which Python, and with which changes to the environment."""

    python: str = sys.executable
    changes: Mapping[str, str] = {}
    has_nanny: bool = False


class DaskProcesses:
    """A scheduler and its workers, as a user starts them; a worker for each of `environments`."""

    def __init__(self, environments: Sequence[Worker] = (Worker(), Worker())) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rsplit(":", maxsplit=1)[1]
        self.scheduler = self._start(Worker(), "scheduler", "--host", "127.0.0.1", "--port", port)
        words = "worker", self.address, "--nthreads", "1", "--host", "127.0.0.1", "--nworkers", "1"
        self.workers = [self._start(of, *words, "--nanny" if of.has_nanny else "--no-nanny") for of in environments]
        # In a process of its own, for this one must stay small where memory is measured.
        subprocess.run([sys.executable, "-c", WAIT, self.address, str(len(environments))], check=True)

    @staticmethod
    def _start(of: Worker, *words: str) -> subprocess.Popen[bytes]:
        command = [of.python, "-m", "distributed.cli.dask_" + words[0], *words[1:], "--no-dashboard"]
        nothing = subprocess.DEVNULL
        return subprocess.Popen(
            command, stdin=nothing, stdout=nothing, stderr=nothing, env={**os.environ, **of.changes}
        )

    def client(self) -> Any:
        """Return a client of Dask's own."""
        from distributed import Client

        connected: Any = Client
        return connected(self.address, timeout=START_SECONDS, set_as_default=False)

    def close(self) -> None:
        """End all of them."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
