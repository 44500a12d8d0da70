"""What is compiled is kept for a while."""

from __future__ import annotations

import pytest

from lion_search.proxy_tasks.training import compiled_loops


def test_the_loop_that_was_used_longest_ago_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_loops, "MOST", 3)
    own = compiled_loops.CompiledLoops()

    def find(key: int) -> compiled_loops.CompiledLoop:
        return own.find(key, lambda: lambda x: x + key)

    one, two, three = map(find, range(3))
    assert find(0) is one  # used again: the second is now the oldest
    assert find(3)(1) == 4
    assert own.kept() == [2, 0, 3]
    assert (find(0), find(2)) == (one, three)
    assert find(1) is not two
