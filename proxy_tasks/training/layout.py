"""Where the arrays of a weight tree lie in one flat vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True, slots=True)
class Layout:
    """The shapes of the arrays of a weight tree, in the tree's order."""

    shapes: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in each array."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def size(self) -> int:
        """Numbers in all arrays."""
        return sum(self.sizes)

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """First and past-the-last position of each array in the flat vector."""
        ends = [sum(self.sizes[: i + 1]) for i in range(len(self.sizes))]
        return tuple((end - size, end) for end, size in zip(ends, self.sizes, strict=True))

    def split(self, flat: jax.Array) -> tuple[jax.Array, ...]:
        """The arrays in a flat vector."""
        pairs = zip(self.bounds, self.shapes, strict=True)
        return tuple(flat[start:end].reshape(shape) for (start, end), shape in pairs)

    def join(self, arrays: Sequence[jax.Array]) -> jax.Array:
        """The flat vector of arrays of these shapes."""
        return jnp.concatenate([jnp.ravel(a) for a in arrays])
