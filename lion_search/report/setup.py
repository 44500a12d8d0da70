"""The section on what a run was made with: its configuration, seeds, versions, machine and times."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from lion_search.dsl.shown import duration, with_error
from lion_search.report.markup import Html, code, element, fold, joined, pairs, table
from lion_search.report.material import Material
from lion_search.runs.events import EVENTS_NAME
from lion_search.runs.folder import CONFIG_NAME


def setup(material: Material) -> Html:
    """What a reader needs to know, and to do it again."""
    return joined((
        pairs(_run(material)),
        *_tasks(material),
        *_baselines(material),
        fold("Configuration", code(_config(material))),
        *_programs(material),
        element("h3", "Versions"),
        pairs((name, str(v)) for name, v in material.facts.get("versions", {}).items()),
        element("h3", "Machine"),
        pairs((name.capitalize(), str(v)) for name, v in material.facts.get("hardware", {}).items())
        if "hardware" in material.facts
        else element("p", "The run recorded its platform only."),
        *_times(material),
    ))  # fmt: skip


def _run(material: Material) -> Iterator[tuple[str, str]]:
    config = material.facts.get("config", {})
    yield "Run", material.name
    yield "Started", str(material.snapshot.started or "")
    yield "State", f"{material.snapshot.state}, {material.snapshot.phase or 'nothing begun'}"
    yield "Seed", str(config.get("seed", ""))
    yield "Workers", str(config.get("workers", ""))
    yield "Search method", str(material.settings("search").get("method", ""))
    seeds = {
        "search": ", ".join(f"{task['seeds']} on {task['name']}" for task in config.get("tasks", ())),
        "selection": material.settings("selection").get("validation_seeds"),
        "test": material.settings("selection").get("test_seeds"),
    }
    yield "Training seeds", "; ".join(f"{stage}: {own}" for stage, own in seeds.items() if own)


def _tasks(material: Material) -> Iterator[Html]:
    tasks: Mapping[str, Mapping[str, Any]] = material.facts.get("tasks", {})
    for name, facts in tasks.items():
        rows = (
            (key.replace("_", " ").capitalize(), str(value)) for key, value in facts.items() if key != "task"
        )
        yield fold(f"Task {name}", pairs(rows))


def _baselines(material: Material) -> Iterator[Html]:
    for task, own in material.facts.get("baselines", {}).items():
        rows = [
            (
                name,
                ", ".join(f"{key} {value:g}" for key, value in found["hyperparameters"]),
                "" if found["validation_loss"] is None
                else with_error(found["validation_loss"], found.get("standard_error") or 0.0),
            )
            for name, found in own.items()
        ]  # fmt: skip
        titles = ("Tuned optimizer", "Hyper-parameters", "Loss on validation")
        yield fold(f"Baselines on {task}", table(titles, rows, left=2))


def _config(material: Material) -> str:
    try:
        return (material.folder / CONFIG_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return json.dumps(material.facts.get("config", {}), indent=1)


def _programs(material: Material) -> Iterator[Html]:
    if (initial := material.facts.get("initial_program")) is not None:
        yield fold("The program it began with", code(initial))


def _times(material: Material) -> Iterator[Html]:
    """When what began; what stands still in between is a part of it."""
    events = [e for e in _events(material) if e.get("event") != "progress"]
    rows = []
    for event, after in itertools.zip_longest(events, events[1:]):
        began = _time(event)
        if began is None:
            continue
        ended = None if after is None else _time(after)
        what = str(event.get("phase") or event.get("event"))
        took = "" if ended is None else duration((ended - began).total_seconds())
        rows.append((what, f"{began:%Y-%m-%d %H:%M:%S} UTC", took))
    if rows:
        yield element("h3", "Times")
        yield table(("What", "Began", "Took"), rows, left=2)


def _events(material: Material) -> Iterator[Mapping[str, Any]]:
    """What the run told of itself, as far as it can be read."""
    try:
        lines = (material.folder / EVENTS_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut off when the run was killed
        if isinstance(event, dict):
            yield event


def _time(event: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(event["time"])
    except (KeyError, TypeError, ValueError):
        return None
