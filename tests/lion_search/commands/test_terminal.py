"""What commands print."""

import io
import sys

import pytest

from lion_search.commands.printing.terminal import print_file


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_is_to_become_a_file_is_utf_8(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``lion-search export lion > lion.py`` in any locale."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    print_file("é = 学\n")
    assert printed.getvalue().decode() == "é = 学\n"
