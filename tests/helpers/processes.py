"""Python code that tests run as processes beside them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_script() -> Iterator[Start]:
    """``start_script(code, *arguments)``: a process with pipes; none outlives the test."""
    with ExitStack() as stack:

        def start(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
            pipe = subprocess.PIPE
            command = [sys.executable, "-c", code, *map(str, arguments)]
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()
