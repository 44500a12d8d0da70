"""Where the files of data are looked for: what ``scripts/get_data.sh`` fetches, and what is made here."""

from __future__ import annotations

import os
from pathlib import Path

from lion_search.proxy_tasks.cache import cache_folder
from lion_search.proxy_tasks.problems.examples import DataError


def data_folder() -> Path | None:
    """``LION_SEARCH_DATA``, or else ``data`` in the user's cache; None without either."""
    own, cache = os.environ.get("LION_SEARCH_DATA"), cache_folder()
    if own:
        return Path(os.path.expanduser(own))  # noqa: PTH111 -- never raises
    return cache / "data" if cache else None


def find_folder(name: str, pattern: str) -> Path:
    """The first folder of this name that holds files of a pattern.

    Raises:
        DataError: there is none; where was looked.
    """
    places = [
        place for place in (data_folder(), Path("/usr/share/datasets")) if place
    ]  # the last is Debian's
    folders = [place / name for place in places]
    for folder in folders:
        if any(folder.glob(pattern)):
            return folder
    raise DataError("no data in " + " or ".join(f"'{folder}'" for folder in folders))
