"""The configuration of a run: its schema, its files, and the schema as commented YAML."""

from lion_search.config.commented import commented_yaml
from lion_search.config.files import (
    ConfigError,
    check_config,
    load_config,
    load_suite,
    shipped_configs,
    shipped_suites,
    to_yaml,
)
from lion_search.config.schema import Config, TaskSection

__all__ = [
    "Config",
    "ConfigError",
    "TaskSection",
    "check_config",
    "commented_yaml",
    "load_config",
    "load_suite",
    "shipped_configs",
    "shipped_suites",
    "to_yaml",
]
