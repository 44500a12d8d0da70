"""Importing what a user wrote: ``module:name``, from the Python path or the working directory."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from lion_search.dsl.errors import LionSearchError, reason_of


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
        reason = reason_of(error)
        if isinstance(error, (ImportError, AttributeError)):  # their message says it all
            reason = reason.partition(": ")[2]
        raise UserCodeError(f"cannot import {what} '{reference}': {reason}") from error
