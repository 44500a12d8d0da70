"""A worker has the versions that the run was started with."""

from __future__ import annotations

import platform
import re

import pytest

from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.versions import check_versions, versions


def test_the_same_versions_are_no_error() -> None:
    check_versions(versions())


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("Python", "3.0.1", f"Python is {platform.python_version()}, and 3.0.1 where the run was started"),
        ("no-such-package", "2.0", "no-such-package is missing, and 2.0 where the run was started"),
    ],
)
def test_others_are_named_with_the_machine(name: str, wanted: str, message: str) -> None:
    with pytest.raises(PoolError, match=re.escape(f"on {platform.node()} {message}: install the same there")):
        check_versions({name: wanted})
