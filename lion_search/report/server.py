"""The report of a run that goes on, served to a browser on this machine: ``lion-search serve``.

Nothing is written and nothing but the report is given out. The page asks for changes every few seconds; the
report is made anew only when the run has gone on, by one thread at a time and for a small share of the time,
and what is sent are the sections that changed since the version that the page has.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lion_search.analysis.watching import Snapshot, read_snapshot
from lion_search.dsl.errors import LionSearchError
from lion_search.report.markup import Html, element
from lion_search.report.material import open_material
from lion_search.report.page import contents, page, standing
from lion_search.report.sections import written
from lion_search.results.strict_json import to_json
from lion_search.runs.lock import RunState

ADDRESS = "127.0.0.1"
_LEAST_SECONDS, _MOST_SECONDS = 3.0, 60.0
_SHARE = 0.1
"""Of the time about so much goes into making the report anew."""


@dataclass(slots=True)
class _Part:
    """A section as it is, and the version since which it is so."""

    html: Html
    since: int


class LiveReport:
    """The report of a run, made anew when the run has gone on."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        """A first report.

        Args:
            folder: the run's folder.
            now: seconds from any moment on.

        Raises:
            LionSearchError: the run's log cannot be read.
        """
        self._folder, self._now = folder, now
        self._lock = threading.Lock()
        self._maker = ThreadPoolExecutor(max_workers=1)
        self._token = secrets.token_hex(4)  # versions of another server of this run are not ours
        self._version = 0
        self._parts: dict[str, _Part] = {}
        self._seen: Snapshot | None = None
        self._trouble = Html("")
        self._next = -math.inf
        self._remake(read_snapshot(folder))

    def page(self) -> str:
        """The whole page as it is now."""
        with self._lock:
            self._refresh()
            return self._page.replace(_VERSION, self._name(self._version), 1)

    def changes(self, since: str) -> dict[str, Any]:
        """What changed since a version, as JSON values.

        Args:
            since: the version that a page has; of any other text all is told.
        """
        with self._lock:
            self._refresh()
            token, _, number = since.partition("-")
            known = int(number) if token == self._token and number.isdecimal() else -1
            assert self._seen is not None
            told: dict[str, Any] = {
                "version": self._name(self._version),
                "standing": self._trouble or self._standing,
                "is_last": self._seen.state is not RunState.RUNNING and not self._trouble,
            }
            if known < self._version:
                changed = {key: part.html for key, part in self._parts.items() if part.since > known}
                told |= {"sections": changed, "keys": list(self._parts), "contents": self._contents}
            return told

    def _name(self, version: int) -> str:
        return f"{self._token}-{version}"

    def _refresh(self) -> None:
        """Makes the report anew if the run has gone on and it was not made a moment ago."""
        if self._now() < self._next:
            return
        try:
            snapshot = read_snapshot(self._folder)
            if snapshot != self._seen:
                self._remake(snapshot)
            self._trouble = Html("")
        except LionSearchError as error:  # a database that is locked for a moment, or was moved
            self._trouble = element("p", element("strong", "cannot be read now"), f": {error}", id="standing")
            self._next = self._now() + _LEAST_SECONDS

    def _remake(self, snapshot: Snapshot) -> None:
        """In one and the same thread: proofs of programs need that, and each request has another."""
        self._maker.submit(self._make, snapshot).result()

    def _make(self, snapshot: Snapshot) -> None:
        began = self._now()
        with open_material(self._folder) as material:
            sections = written(material)
            self._page = page(material.name, standing(material), sections, live=_VERSION)
            self._standing, self._contents = standing(material), contents(sections)
        self._version += 1
        before = self._parts
        self._parts = {}
        for section, html in sections.items():
            old = before.get(section.key)
            self._parts[section.key] = old if old and old.html == html else _Part(html, self._version)
        self._seen = snapshot
        pause = (self._now() - began) / _SHARE
        self._next = self._now() + min(max(_LEAST_SECONDS, pause), _MOST_SECONDS)


_VERSION = "version-of-the-page"


def make_server(report: LiveReport, port: int) -> ThreadingHTTPServer:
    """A server for this machine only.

    Args:
        report: what it serves.
        port: 0 for any that is free.

    Raises:
        LionSearchError: the port cannot be had.
    """

    class Handler(_Handler):
        live = report

    try:
        server = ThreadingHTTPServer((ADDRESS, port), Handler)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LionSearchError(
            f"cannot serve on port {port}: {reason}; name another with --port, 0 for any"
        ) from error
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    """Answers a browser: the page, or what changed; nothing can be sent to it."""

    live: LiveReport
    server_version, sys_version = "lion-search", ""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if not self._is_for_us():
            self.send_error(HTTPStatus.FORBIDDEN, "Only for this machine")
        elif address.path == "/":
            self._answer("text/html; charset=utf-8", self.live.page())
        elif address.path == "/changes":
            since = parse_qs(address.query).get("since", [""])[0]
            self._answer("application/json", to_json(self.live.changes(since)))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _is_for_us(self) -> bool:
        """Whether the browser was told this machine: another site could have its name lead here."""
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        return host in (ADDRESS, "localhost")

    def _answer(self, kind: str, text: str) -> None:
        content = text.encode(errors="backslashreplace")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the reader may go away
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed for each request."""
