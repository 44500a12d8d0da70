"""Importing what a user wrote: ``module:name``, from the Python path or the working directory.

A process may live long, as that of a notebook does: modules are imported again once their source has
changed. Other processes, which train, get what is defined in ``__main__``, a script or a notebook, by value.
They refuse modules that have changed since: who starts in the middle of a run must not train something else.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import pickle
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from lion_search.dsl.errors import LionSearchError, reason_of

_MAIN = "__main__"
_OURS = __name__.partition(".")[0]
_INSTALLED = tuple(
    folder + os.sep
    for name in ("stdlib", "purelib", "platlib")
    for folder in (sysconfig.get_path(name), os.path.realpath(sysconfig.get_path(name)))
)


class UserCodeError(LionSearchError):
    """A ``module:name`` that cannot be imported; the message says what its import raised."""


@dataclass(slots=True)
class _Known:
    """What this process knows of a user's code.

    Attributes:
        sources: modules that were imported here and their like, by name: digests of their sources.
        of_main: names that were asked of this process's ``__main__``.
        given: what is defined in that of another process, whose modules' digests are ``sources``.
    """

    sources: dict[str, str] = field(default_factory=dict)
    of_main: set[str] = field(default_factory=set)
    given: dict[str, Any] | None = None


_known = _Known()


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
        return _from_main(name) if module == _MAIN else getattr(_import(module), name)
    except UserCodeError:
        raise
    except Exception as error:  # whatever a user's module does when it is imported
        reason = reason_of(error)
        if isinstance(error, (ImportError, AttributeError)):  # their message says it all
            reason = reason.partition(": ")[2]
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


def hand_over() -> bytes:
    """What another process needs, for `take_over`, to find a user's code as it is here.

    Raises:
        UserCodeError: something in ``__main__`` cannot be pickled.
    """
    import cloudpickle

    main = vars(sys.modules[_MAIN])
    given = {name: main[name] for name in _known.of_main if name in main}
    sources = {name: _digest(source) for name in tuple(sys.modules) if (source := _source(name))}
    try:
        return bytes(pickle.dumps((sources | _known.sources, cloudpickle.dumps(given))))
    except Exception as error:  # whatever its globals are
        raise UserCodeError(
            f"{', '.join(given)} of {_MAIN} cannot be sent to workers: {reason_of(error)}; "
            "define it in a module, or use workers: inline"
        ) from error


def modules_to_send() -> list[str]:
    """Files and folders of this package and of the modules of the user's that were imported here.

    A machine without them finds them once their parents are on its path. Installed packages are left out.
    """
    names = {_OURS, *(name.partition(".")[0] for name in _known.sources)} - {_MAIN}
    return sorted({place for name in names if (place := _place(name))})


def _place(name: str) -> str | None:
    """The folder of a package, or the file of a module."""
    module = sys.modules.get(name)
    folders = [*getattr(module, "__path__", ())]
    return folders[0] if folders else getattr(module, "__file__", None)


def take_over(code: bytes) -> None:
    """Has this process find a user's code as it is in the process that hands it over.

    Raises:
        UserCodeError: a module that it needs has changed since.
    """
    _known.sources, given = pickle.loads(code)  # noqa: S301 -- from our driver
    _known.given = {}
    with _noted():
        _known.given = pickle.loads(given)  # noqa: S301


def _from_main(name: str) -> Any:
    if _known.given is not None:
        return _known.given[name]
    _known.of_main.add(name)
    try:
        return getattr(sys.modules[_MAIN], name)
    except AttributeError as error:
        raise AttributeError(f"{error}; it must be in the script or notebook that asks for it") from error


def _import(module: str) -> ModuleType:
    if _known.given is None:
        _forget_changed()
    with _noted(module):
        return importlib.import_module(module)


@contextlib.contextmanager
def _noted(*modules: str) -> Iterator[None]:
    """Notes the sources of these modules, and of those of the user's that are imported meanwhile."""
    before = set(sys.modules)
    try:
        yield
    finally:
        for name in {*modules} | set(sys.modules) - before:
            if source := _source(name):
                digest = _digest(source)
                if _known.given is not None and _known.sources.get(name, digest) != digest:
                    raise UserCodeError(f"'{source}' has changed meanwhile; undo that, or begin again")
                _known.sources[name] = digest


def _forget_changed() -> None:
    """Forgets all modules that were noted if one of them has changed: each may hold things of others."""
    for name, digest in _known.sources.items():
        source = _source(name)
        if source and _digest(source) != digest:
            break
    else:
        return
    for name in _known.sources:
        if source := _source(name):
            # What Python keeps of it holds for a second and a size, and an edit may be within both.
            with contextlib.suppress(OSError):
                Path(importlib.util.cache_from_source(str(source))).unlink()
        sys.modules.pop(name, None)
    _known.sources.clear()
    importlib.invalidate_caches()


def _source(name: str) -> Path | None:
    """The file of an imported module, if it is of Python and of no installed package."""
    file = str(getattr(sys.modules.get(name), "__file__", None))
    if not file.endswith(".py") or file.startswith(_INSTALLED) or name.partition(".")[0] == _OURS:
        return None
    path = Path(file).resolve()
    return path if path.is_file() and not str(path).startswith(_INSTALLED) else None


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()
