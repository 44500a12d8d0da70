"""Runs docs/notebook.ipynb from its first cell to its last and keeps what it shows.

`python scripts/run_notebook.py`; the documentation shows these outputs. The tests run the notebook too, and
keep nothing.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


def run(folder: Path, timeout_seconds: int = 900) -> nbformat.NotebookNode:
    """The notebook as it is after it was run in a folder; a cell that raises ends it."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    kernel = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=timeout_seconds, resources=kernel, record_timing=False).execute()


def main() -> None:
    """Writes the outputs into the notebook."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = run(Path(folder))
    notebook.metadata.language_info = {"name": "python"}  # and not of which version the kernel was
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    sys.exit(main())
