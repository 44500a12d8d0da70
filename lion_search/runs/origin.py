"""Where a program comes from, in sentences for an exported file: its run, losses, how to begin with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.export.hyperparameters import WEIGHT_DECAY, make_rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.library import LIBRARY
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural, significant, with_error
from lion_search.proxy_tasks.scores import Status, standard_error
from lion_search.results.records import BASELINE_SUBJECT, CARD_FACT, Stage
from lion_search.runs.references import Referenced, name_of, open_log, split_individual

if TYPE_CHECKING:
    from lion_search.results.store import Store  # it imports the database

_MEASURED = {
    Stage.TEST: "Loss on test data, the mean over seeds",
    Stage.SELECTION: "Loss on validation data, the mean over fresh seeds",
    Stage.SEARCH: "Loss on validation data in the search, the mean over seeds",
}
"""What a stage's losses are, the best evidence first."""


def notes_on(reference: str, found: Referenced) -> tuple[str, ...]:
    """What is known of a referenced program."""
    if reference in LIBRARY:
        entry = LIBRARY[reference]
        return (f"Source: {entry.source}.", entry.difference)
    in_run = split_individual(reference)
    if in_run is None:
        return found.notes
    run, individual_id = in_run
    with closing(open_log(run)) as store:
        notes = notes_in_run(store, name_of(run), individual_id, found.program)
    return (*notes, f"Its training failed in its run: {found.failure}.") if found.failure else notes


def notes_in_run(
    store: Store,
    run: str,
    individual_id: int,
    program: Program,
    adamw: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[str, ...]:
    """What a run's log knows of a program: its origin and tasks, its losses, how it carries over.

    The last is its transfer card, if it has one; else its constants beside tuned AdamW's.

    Args:
        store: the log.
        run: what the run is called.
        individual_id: what the program was made of.
        program: the program itself; its losses are looked up by its hash.
        adamw: what tuned AdamW has, by task; by default on the tasks of the search.
    """
    facts = store.run_facts()
    adamw = adamw or {t: dict(b["adamw"]["hyperparameters"]) for t, b in facts["baselines"].items()}
    own = functional_hash(program)
    known = (_origin(facts, run, individual_id), _tasks(facts), _losses(store, own))
    carried = _card(facts.get(CARD_FACT), own) or (_advice(adamw, program),)
    return tuple(filter(None, (*known, *carried)))


def note_of(recognized: str) -> tuple[str, ...]:
    """What a program was recognized as, as a note; none if nobody has looked, or it is no known optimizer."""
    is_known = recognized.startswith("this is ")
    return (f"{recognized[:1].upper()}{recognized[1:]}.",) if is_known else ()


def _origin(facts: Mapping[str, Any], run: str, individual_id: int) -> str:
    config, versions = facts["config"], facts["versions"]
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    packages = ", ".join(f"{n} {versions[n]}" for n in ("lion-search", "jax", "python") if n in versions)
    return (
        f"Origin: individual {individual_id} of run {run} of {facts['started'][:10]}, seed {config['seed']}, "
        f"config {digest} (the start of its SHA-256), {packages}."
    )


def _tasks(facts: Mapping[str, Any]) -> str:
    """The tasks of the search, and how they were trained."""
    told = [
        f"{name} ({plural(task['weights'], 'weight')}, {plural(task['steps'], 'step')} of "
        f"{plural(task['batch_size'], 'example')}, schedule: {task['schedule']})"
        for name, task in facts.get("tasks", {}).items()
    ]
    return f"Found on {'; '.join(told)}." if told else ""


def _losses(store: Store, program_hash: str) -> str:
    """Losses of the stage that says most, beside those of tuned AdamW on the same seeds."""
    for stage, what in _MEASURED.items():
        own, tuned = (_by_task(store, stage, subject) for subject in (program_hash, BASELINE_SUBJECT))
        if own:
            return (
                f"{what}: " + "; ".join(_one_task(task, own[task], tuned.get(task, {})) for task in own) + "."
            )
    return ""


def _by_task(store: Store, stage: Stage, subject: str) -> dict[str, dict[int, float]]:
    """Losses by task and seed; of tasks on which all trainings went well."""
    found: dict[str, dict[int, float]] = {}
    failed = set()
    for row in store.evaluations(stage=stage, subject=subject):
        if row.score.status is Status.OK and row.score.loss is not None:
            found.setdefault(row.score.task, {})[row.score.seed] = row.score.loss
        else:
            failed.add(row.score.task)
    return {task: losses for task, losses in found.items() if task not in failed}


def _one_task(task: str, own: Mapping[int, float], tuned: Mapping[int, float]) -> str:
    text = f"{task} {_mean(list(own.values()))}"
    same = [tuned[seed] for seed in own if seed in tuned]
    beside = f"tuned AdamW {_mean(same)}, " if len(same) == len(own) else ""
    return f"{text} ({beside}{plural(len(own), 'seed')})"


def _mean(losses: list[float]) -> str:
    return with_error(fmean(losses), standard_error(losses)) if len(losses) > 1 else significant(losses[0])


def _card(card: Mapping[str, Any] | None, program_hash: str) -> tuple[str, ...]:
    """What the program's transfer card says; empty if there is none of it, or it did not train."""
    if card is None or card["hash"] != program_hash:
        return ()
    titles = {"constants": "To begin on another task, as measured"}
    return tuple(f"{titles.get(key, row['title'])}: {row['text']}" for key, row in card["rows"].items())


def _advice(adamw: Mapping[str, Mapping[str, float]], program: Program) -> str:
    """How to set the constants on another task: beside AdamW's, as they are on the first that is known."""
    defaults = make_rule(program).defaults
    for task, theirs in adamw.items():
        ratios = {
            name: defaults[name] / theirs[name]
            for name in (RATE, WEIGHT_DECAY)
            if name in defaults and theirs.get(name) and defaults[name] > 0
        }
        if ratios:
            words = " and ".join(f"{name} by {significant(ratio)}" for name, ratio in ratios.items())
            values = ", ".join(f"{name} {significant(theirs[name])}" for name in ratios)
            return (
                f"To begin on another task: multiply AdamW's best {words}, as on {task}, where tuned AdamW "
                f"has {values}; then try factors of 3 around."
            )
    return ""
