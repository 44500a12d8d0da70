"""Where things are kept between runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lion_search.proxy_tasks.cache import cache_folder


def test_the_cache_lies_below_what_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/lion-search")


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_word_it_lies_below_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setenv("HOME", "/home/mine")
    if value is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == Path("/home/mine/.cache/lion-search")


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/mine")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/kept")
    assert cache_folder() == Path("/home/mine/kept/lion-search")
