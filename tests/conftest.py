"""What every test shares: the ``--large`` switch, how Hypothesis behaves here, databases, compiled code.

The tests' process has the environment of a worker's, so that it runs the code that workers run. What JAX has
compiled is kept, for all processes of the tests and for the next run: `make clean` removes it.
"""

import os
import sys
from pathlib import Path

import hypothesis
import pytest

from lion_search.proxy_tasks.workers.environment import WORKER_ENVIRONMENT, processor_digest

CACHE = Path(__file__).parents[1] / ".pytest_cache"
COMPILED = {
    "JAX_COMPILATION_CACHE_DIR": str(CACHE / "jax" / processor_digest()),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}
for name, value in (WORKER_ENVIRONMENT | COMPILED).items():  # before JAX is imported
    os.environ.setdefault(name, value)

sys.path[:0] = [str(Path(__file__).parent / "helpers"), str(Path(__file__).parents[1] / "scripts")]
pytest_plugins = ["databases", "folders", "processes"]

# No deadlines: the first example of a property may compile for seconds. Derandomized, so that a test which
# fails has failed because of a change; the large profile draws new examples each time.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.register_profile("house-large", deadline=None, max_examples=1000, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--large``."""
    parser.addoption("--large", action="store_true", help="also run the tests marked large")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the Hypothesis profile, unless the command line has chosen one."""
    if not config.getoption("--hypothesis-profile"):
        hypothesis.settings.load_profile("house-large" if config.getoption("--large") else "house")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked large; each reason holds the test's name, so that ``-rs`` prints them all."""
    if config.getoption("--large"):
        return
    for item in items:
        if item.get_closest_marker("large"):
            item.add_marker(pytest.mark.skip(reason=f"large, runs with --large: {item.nodeid}"))
