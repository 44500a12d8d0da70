"""Checkpoints: made once, announced, kept, and made again where the file cannot be used."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import jax
import numpy as np
import own_tasks
import pytest

from lion_search.proxy_tasks.problems.pretrained import fit, pretrained


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LION_SEARCH_DATA", str(tmp_path))
    return tmp_path / "checkpoints" / "mine_50.npz"


def test_a_missing_or_damaged_checkpoint_is_made_and_the_cost_announced(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    problem = own_tasks.problem()
    with caplog.at_level(logging.WARNING):
        made = pretrained("mine", problem, 50, seconds=3)
        assert caplog.messages == [f"training the checkpoint 'mine': about 3 s of one core, kept as '{path}'"]
        again = pretrained("mine", problem, 50, seconds=3)
        assert len(caplog.messages) == 1
        for content in (b"damaged", path.read_bytes()[:200], b""):
            path.write_bytes(content)
            jax.tree.map(np.testing.assert_array_equal, pretrained("mine", problem, 50, seconds=3), made)
        np.savez(path, np.zeros(3, np.float32), np.zeros((2, 2), np.float32))  # of another network
        jax.tree.map(np.testing.assert_array_equal, pretrained("mine", problem, 50, seconds=3), made)
    jax.tree.map(np.testing.assert_array_equal, again, made)
    assert len(caplog.messages) == 5
    assert [file.name for file in path.parent.iterdir()] == ["mine_50.npz"]
    start = problem.init(jax.random.key(0))
    assert problem.loss(made, problem.train) < problem.loss(start, problem.train)


def test_a_checkpoint_that_cannot_be_kept_is_used(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.write_text("a file where the folder should be")
    problem = own_tasks.problem()
    made = pretrained("mine", problem, 5, seconds=1)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), made, fit(problem, 5))
    assert "cannot be kept as" in caplog.text


def test_a_checkpoint_can_be_made_within_a_trace(path: Path) -> None:
    def scaled(x: jax.Array) -> jax.Array:
        return x * pretrained("mine", own_tasks.problem(), 5, seconds=1)["bias"]

    assert jax.eval_shape(scaled, np.float32(2)).shape == (3,)
    assert path.with_name("mine_5.npz").exists()
