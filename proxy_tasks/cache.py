"""Where fetched data and compiled code are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """The user's cache of this program: below ``XDG_CACHE_HOME``, else ``~/.cache``; None without a home."""
    path = Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"))  # noqa: PTH111 -- never raises
    return path / "lion-search" if path.is_absolute() else None
