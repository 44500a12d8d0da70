"""Importing what a user wrote: ``module:name``, from the Python path or the working directory."""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lion_search.dsl.errors import LionSearchError


class UserCodeError(LionSearchError):
    """A ``module:name`` that cannot be imported; the message says what its import raised."""


def import_name(reference: str, what: str) -> Any:
    """Imports ``module:name``. The working directory is looked at last.

    Args:
        reference: ``module:name``.
        what: what it should be, for the message: "function", "task".

    Raises:
        UserCodeError: no such module or name, or the module raised while it was imported.
    """
    module, separator, name = reference.partition(":")
    if not (module and separator and name):
        raise UserCodeError(f"{what} '{reference}': expected module:name")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever a user's module does when it is imported
        is_plain = isinstance(error, (ImportError, AttributeError))
        reason = str(error) if is_plain else f"{type(error).__name__}: {error}"
        file = getattr(sys.modules.get(module), "__file__", None)  # it may not be the one that was meant
        where = f" ({file})" if file and isinstance(error, AttributeError) else ""
        raise UserCodeError(f"cannot import {what} '{reference}': {reason}{where}") from error


def look_in(folders: Iterable[str]) -> None:
    """Has modules looked for in some folders too, after all others that are known by now."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)


def folder_of(reference: str) -> str | None:
    """The folder that must be looked in for the module of a ``module:name`` that was imported.

    ``None`` for a module that was installed, or is in no file.
    """
    module = sys.modules.get(reference.partition(":")[0].partition(".")[0])
    places = [*getattr(module, "__path__", ()), getattr(module, "__file__", None)]
    if not places or places[0] is None or module is sys.modules["__main__"]:
        return None
    folder = str(Path(places[0]).absolute().parent)
    return None if folder in sysconfig.get_paths().values() else folder
