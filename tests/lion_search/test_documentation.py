"""The documentation builds: every link leads somewhere, every command and key of a config has a page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the documentation needs the extra [docs]")

from lion_search.config.schema import Config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={folder}"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_commands_keys_and_functions_come_from_the_code(site: Path) -> None:
    assert {page.stem for page in (site / "configuration").glob("*.html")} == {"index", *Config.model_fields}
    assert (
        "Which functions inserted statements may apply" in (site / "configuration/functions.html").read_text()
    )
    assert "--warm-start" in (site / "commands/run.html").read_text()
    assert "cosine_sim" in (site / "language.html").read_text()
    assert "KeyboardInterrupt" in (site / "api.html").read_text()
    assert "{{" not in (site / "language.html").read_text()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in ("index.html", "notebook.html", "commands/run.html"):
        text = (site / page).read_text()
        assert not any(f'{kind}="http' in text for kind in ("src", 'rel="stylesheet" href'))
