"""Where arrays lie in the flat vector."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from lion_search.proxy_tasks.training.layout import Layout

LAYOUT = Layout(((2, 3), (), (4,)))


def test_sizes_and_bounds_follow_the_shapes() -> None:
    assert LAYOUT.sizes == (6, 1, 4)
    assert LAYOUT.size == 11
    assert LAYOUT.bounds == ((0, 6), (6, 7), (7, 11))


def test_split_gives_each_array_its_numbers_in_row_major_order() -> None:
    first, second, third = LAYOUT.split(jnp.arange(11.0))
    np.testing.assert_array_equal(first, [[0, 1, 2], [3, 4, 5]])
    assert second.shape == ()
    assert second == 6
    np.testing.assert_array_equal(third, [7, 8, 9, 10])


def test_join_undoes_split() -> None:
    flat = jnp.arange(11.0)
    np.testing.assert_array_equal(LAYOUT.join(LAYOUT.split(flat)), flat)
