"""One real run from config to export, with two Ray workers, in a folder with the user's own modules."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion_search.config import load_config
from lion_search.dsl.equivalence.canonical import SEMANTICS_VERSION, canonicalise, functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.liveness import liveness, prune
from lion_search.dsl.program import Program
from lion_search.dsl.shown import with_error
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.results.records import BASELINE_SUBJECT, HITS, Individual, Outcome, Stage
from lion_search.results.store import Store


def test_a_run_ends_well_beside_modules_named_like_our_rooms(finished: Any) -> None:
    """The user's own search.py, results.py and configs are not imported, by the driver or by a worker."""
    assert finished.called.status == 0, finished.called.err
    assert finished.called.err == ""


def test_the_run_folder_holds_the_database_the_config_the_result_and_the_exports(finished: Any) -> None:
    """Nothing less and, once the run is over, nothing else."""
    files = {p.relative_to(finished.folder).as_posix() for p in finished.folder.rglob("*") if p.is_file()}
    readers = {"log.db-wal", "log.db-shm"}  # SQLite leaves them where a log has been read
    assert files - readers == {
        "log.db",
        "config.yaml",
        "events.jsonl",
        "lock",
        "result.json",
        "report.html",
        "summary.md",
        *(f"exports/{name}{end}.py" for name in ("winner", "simplified") for end in ("_optax", "_torch", "")),
        f"simplified/{finished.result['finalists'][0]['id']}.json",
    }


def test_the_summary_can_be_pasted_into_a_note(finished: Any) -> None:
    """The simplified winner as code, the table of losses, and where it comes from."""
    page = (finished.folder / "summary.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    record = json.loads(next((finished.folder / "simplified").iterdir()).read_text())
    assert parse(code) == parse(record["simplified"])
    assert f"individual {finished.result['finalists'][0]['id']} of run found of 2" in page
    printed = [" ".join(line.split()) for line in finished.called.out.splitlines()]
    table = [" ".join(line.split()) for line in page.partition("Loss on test")[2].splitlines()[1:9]]
    assert {*table} <= {*printed}


def test_nothing_is_written_outside_the_run_folder(finished: Any) -> None:
    """The user's folder holds what it held before, and the run."""
    assert {p.name for p in finished.user_folder.iterdir()} == {"search.py", "results.py", "configs", "found"}
    assert [p.name for p in (finished.user_folder / "configs").iterdir()] == ["__init__.py"]


def test_the_written_config_is_the_resolved_one(finished: Any, options: Any) -> None:
    """It holds what the command line set, and gives the same run again."""
    overrides = [option.removeprefix("--set=") for option in (*options.small, *options.simplifying)]
    expected = load_config("quickstart", [*overrides, "workers=2", "seed=1"])
    assert load_config(str(finished.folder / "config.yaml")) == expected
    assert expected.search.population == 50


def test_the_log_knows_how_the_run_was_made(finished: Any, log: Store) -> None:
    """Config, versions, semantics, tasks, initial program and the baselines' tuned hyper-parameters."""
    facts = log.run_facts()
    assert facts["semantics_version"] == SEMANTICS_VERSION
    assert facts["tasks"].keys() == {"digits_mlp"}
    assert facts["phase"] == "finished"
    assert {"processor", "cores", "memory"} <= facts["hardware"].keys()
    assert facts["config"] == yaml.safe_load((finished.folder / "config.yaml").read_text())
    assert facts["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"jax", "jaxlib", "numpy", "optax", "ray", "lion-search"} <= facts["versions"].keys()
    assert parse(facts["initial_program"]) == library_program("adamw")
    assert {"adamw", "lion"} <= facts["baselines"]["digits_mlp"].keys()


def test_the_log_holds_the_whole_budget_consistently(finished: Any) -> None:
    """Every program has its hash, outcome and status; every evaluated one its raw losses."""
    individuals = finished.checked()
    assert len(individuals) == 300
    outcomes = {individual.outcome for individual in individuals}
    assert {Outcome.EVALUATED, Outcome.SAME_AS_PARENT, Outcome.SEEN} <= outcomes
    assert outcomes <= {*HITS, Outcome.EVALUATED}


def test_the_sizes_in_the_log_are_those_of_the_programs(individuals: Sequence[Individual]) -> None:
    """Statements, live ones among them, and what is left in canonical form."""
    for individual in individuals:
        alive = liveness(parse(individual.program)).statements
        assert (individual.num_statements, individual.num_live_statements) == (len(alive), sum(alive))
        canonical = canonicalise(parse(individual.program))
        assert individual.num_states == canonical.num_states
        assert individual.num_canonical_statements == len(canonical.applications)


def test_each_individual_is_its_parent_with_the_logged_mutation(individuals: Sequence[Individual]) -> None:
    """The first is the initial program; parents are as old as the lag says, and living."""
    first, *others = individuals
    assert (first.parent_id, first.mutation) == (None, "initial")
    assert parse(first.program) == library_program("adamw")
    programs = [parse(first.program)]
    for individual in others:
        assert individual.parent_id is not None
        end = max(1, individual.id - 32)
        assert individual.parent_id == 0 or end - 50 <= individual.parent_id < end
        programs.append(parse(individual.program))
        _check_mutation(individual.mutation, programs[individual.parent_id], programs[-1])
    assert {"insert", "delete", "modify"} == {individual.mutation for individual in others}


def _check_mutation(kind: str, parent: Program, child: Program) -> None:
    assert child.states == parent.states
    before, after = parent.statements, child.statements
    if kind == "delete":
        before, after = after, before
    if kind == "modify":
        changed = [(a, b) for a, b in zip_longest(before, after) if a != b]
        assert len(changed) <= 1
        assert all(a.target == b.target and a.function == b.function for a, b in changed)
    else:
        assert any((*after[:at], *after[at + 1 :]) == before for at in range(len(after)))


def test_raw_losses_are_of_whole_trainings_on_validation_data(log: Store) -> None:
    """A loss is that of 250 steps; the failed say after which step and why."""
    evaluations = log.evaluations(stage=Stage.SEARCH)
    assert {(e.score.task, e.score.part, e.score.seed) for e in evaluations} == {
        ("digits_mlp", Part.VALIDATION, 0)
    }
    for score in (evaluation.score for evaluation in evaluations):
        assert score.seconds > 0
        assert score.reason if score.status is not Status.OK else score.num_steps == 250
    losses = {e.individual_id: e.score.loss for e in evaluations}
    # The untuned start against tuned AdamW, whose fitness the whole search refers to (its individual: None).
    assert losses[0] == pytest.approx(0.35, abs=0.1)
    assert losses[None] == pytest.approx(0.13, abs=0.1)


def test_finalists_are_the_best_of_the_search_on_fresh_seeds(finished: Any, log: Store) -> None:
    """The winner is the one with the lowest loss on them."""
    search = _mean_losses(log, Stage.SEARCH)
    selection = _mean_losses(log, Stage.SELECTION)
    tuned = selection.pop(BASELINE_SUBJECT)
    search.pop(BASELINE_SUBJECT)
    assert set(selection) == set(sorted(search, key=search.__getitem__)[:2])
    finalists = finished.result["finalists"]
    hashes = [log.individual(finalist["id"]).hash for finalist in finalists]
    assert hashes == sorted(selection, key=selection.__getitem__)
    for finalist, hash_ in zip(finalists, hashes, strict=True):
        assert finalist["fitness"] == pytest.approx(math.log(tuned / selection[hash_]))


def _mean_losses(log: Store, stage: Stage) -> dict[str, float]:
    """Mean loss of each subject that never failed."""
    losses: dict[str, list[float | None]] = {}
    for evaluation in log.evaluations(stage=stage):
        losses.setdefault(evaluation.subject, []).append(evaluation.score.loss)
    return {s: sum(own) / len(own) for s, own in losses.items() if None not in own}


def test_the_test_compares_optimizers_on_seeds_no_other_stage_has_seen(finished: Any, log: Store) -> None:
    """Means are those of the raw test losses; the winner, the tuned baselines, the start."""
    rows = {row["optimizer"]: row for row in finished.result["test"]}
    tuned = ["tuned adamw", "tuned lion", "tuned signum", "tuned sgd"]
    assert [name for name in rows if name != "simplified"] == ["winner", *tuned, "the start"]
    winner = log.individual(finished.result["finalists"][0]["id"])
    hashes = {"winner": winner.hash, "simplified": functional_hash(parse(finished.result["simplified"]))}
    logged = _mean_losses(log, Stage.TEST)
    for name, row in rows.items():
        assert row["mean_loss"] == pytest.approx(logged[hashes.get(name, f"baseline:{name}")])
        assert row["num_seeds"] == 8
    seeds = {stage: {e.score.seed for e in log.evaluations(stage=stage)} for stage in Stage}
    assert len(seeds[Stage.TEST]) == len(seeds[Stage.SELECTION]) == 8
    assert not seeds[Stage.TEST] & seeds[Stage.SELECTION]
    assert not seeds[Stage.SEARCH] & (seeds[Stage.TEST] | seeds[Stage.SELECTION])
    assert {e.score.part for e in log.evaluations(stage=Stage.TEST)} == {Part.TEST}


def test_the_result_says_what_the_log_says(finished: Any, log: Store) -> None:
    """Programs, evaluations, hit rate and failures of the search."""
    counts, search = log.counts(), finished.result["search"]
    assert search["num_programs"] == 300
    assert search["num_evaluated"] == search["num_novel"] == counts[Outcome.EVALUATED]
    assert search["hits"] == {cause: counts.get(cause, 0) for cause in HITS}
    assert search["hit_rate"] == pytest.approx(1 - counts[Outcome.EVALUATED] / 300)
    evaluations = log.evaluations(stage=Stage.SEARCH)
    diverged = [e for e in evaluations if e.score.status is Status.DIVERGED]
    assert search["failures"].get("diverged", 0) == len(diverged)


def test_the_exported_program_is_the_winner_without_redundant_statements(finished: Any, log: Store) -> None:
    """As the file winner.py and in the result."""
    result = finished.result
    folder, number = result["winner"].split(":")
    expected = prune(parse(log.individual(int(number)).program))
    assert folder == finished.folder.name
    assert parse((finished.folder / "exports/winner.py").read_text()) == expected
    assert parse(result["program"]) == expected
    assert all((finished.folder / path).is_file() for path in result["exports"])


def test_a_person_reads_what_was_done_what_won_and_what_to_do_next(finished: Any) -> None:
    """The stages as they come, the winner, the table of four with their losses, the files, commands."""
    out, result = finished.called.out, finished.result
    stages = [
        "Run folder: found",
        "Starting 2 Ray workers",
        "Selection",
        "Simplification",
        "Test",
        "Searched",
    ]
    assert [out.find(stage) for stage in stages] == sorted(out.find(stage) for stage in stages)
    assert "Run folder: found" in out
    assert f"{result['search']['num_evaluated']:,} evaluated" in out
    assert f"Winner {result['winner']}" in out
    for row in result["test"]:
        loss = with_error(row["mean_loss"], row["standard_error"])
        assert re.search(rf"{row['optimizer']} .*{re.escape(loss)}", out)
    for statement in parse(result["simplified"]).statements:
        assert f"    {statement.target} = " in out
    assert "found/exports/winner_optax.py" in out
    for command in ("top found", f"show {result['winner']}", f"export {result['winner']}"):
        assert f"lion-search {command}" in out


TRAIN = """
import sys
sys.path.insert(0, sys.argv[1])
import jax, jax.numpy as jnp, numpy as np, optax
from sklearn.datasets import load_digits
from winner_optax import winner

inputs, labels = load_digits(return_X_y=True)
inputs = jnp.asarray(inputs / 16, jnp.float32)
keys = jax.random.split(jax.random.key(0))
params = {"in": 0.1 * jax.random.normal(keys[0], (64, 32)), "out": 0.1 * jax.random.normal(keys[1], (32, 10))}

def loss(params, x, y):
    logits = jax.nn.relu(x @ params["in"]) @ params["out"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

optimizer = winner(optax.cosine_decay_schedule(1.0, 150))
state = optimizer.init(params)

@jax.jit
def step(params, state, x, y):
    updates, state = optimizer.update(jax.grad(loss)(params, x, y), state, params)
    return optax.apply_updates(params, updates), state

before = float(loss(params, inputs, labels))
for batch in np.random.default_rng(0).integers(0, len(labels), (150, 64)):
    params, state = step(params, state, inputs[batch], labels[batch])
print(before, float(loss(params, inputs, labels)))
print(sorted(name for name in sys.modules if name.partition(".")[0] == "lion_search"))
"""


def test_the_exported_optimizer_trains_a_network_without_us(
    finished: Any, tmp_path: Path, environment: Any
) -> None:
    """In a fresh, isolated process (-I) that imports nothing of lion_search."""
    done = subprocess.run(
        [sys.executable, "-IB", "-c", TRAIN, finished.folder / "exports"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses, imported = done.stdout.splitlines()
    before, after = map(float, losses.split())
    assert after < 0.8 * before
    assert imported == "[]"


@pytest.fixture(scope="module")
def inline(finished: Any, run_in: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The first programs of the same run again, quietly, in one process without Ray."""
    folder = tmp_path_factory.mktemp("inline") / "inline run [b]"
    called = finished.command(
        *("run", "--config", finished.folder / "config.yaml", "--out", folder, "--quiet"),
        *("--set=workers=inline", "--set=budget.programs=120", "--set=simplification.how_far=redundancy"),
    )
    assert called.status == 0, called.err
    return run_in(folder, called)


def test_inline_and_on_ray_the_same_programs_are_found(inline: Any, finished: Any) -> None:
    """The same config and seed give the same individuals, and the same losses, without workers."""
    rows = inline.rows()
    assert len(rows.individuals) == 120
    assert rows.is_beginning(finished.rows())


def test_quiet_prints_the_result_only(inline: Any) -> None:
    """No stage is announced; the winner, the table and the next commands are printed as ever."""
    out = inline.called.out
    assert out.lstrip().startswith("Searched 120 programs")
    for told in ("Run folder", "Ray", "Selection:", "Test:"):
        assert told not in out
    assert "Winner" in out
    assert "tuned adamw" in out
    assert inline.called.err == ""


def test_a_run_is_called_by_its_name_whatever_that_is(inline: Any) -> None:
    """Also with blanks and brackets: what is printed as its winner is a reference that leads there."""
    (reference,) = re.findall(r"Winner (.+): fitness", inline.called.out)
    assert reference.startswith(f"{inline.folder}:")


def test_the_frontier_holds_the_best_for_each_number_of_states(finished: Any) -> None:
    places = json.loads(finished.command("frontier", "found", "--identify", "--json").out)
    assert [place["states"] for place in places] == [0, 1, 2]
    ranked = json.loads(finished.command("top", "found", "-n", "100000", "--json").out)
    trains = {row["id"]: row["judged"] for row in ranked if row["status"] == "ok"}
    with finished.open() as store:
        states = {i.id: i.num_states for i in store.individuals()}
    for place in places:
        assert place["judged"] == max(v for k, v in trains.items() if states[k] == place["states"])
        assert len(parse(place["program"]).states) == place["states"]
        assert place["recognized"]


def test_lineage_leads_from_the_start_to_a_program(finished: Any) -> None:
    """Each ancestor on the way is what the log says, and all individuals between are counted."""
    with finished.open() as store:
        logged = {i.id: i for i in store.individuals()}
    deepest = max(logged, key=lambda id_: len(_ancestors(logged, id_)))
    path = json.loads(finished.command("lineage", f"found:{deepest}", "--json").out)
    assert [step["id"] for step in path] == [
        own.id for own, before in _ancestors(logged, deepest) if before is None or own.hash != before.hash
    ]
    for step in path:
        assert functional_hash(parse(step["program"])) == logged[step["id"]].hash
    assert sum(step["generations"] for step in path) <= len(_ancestors(logged, deepest))
    told = finished.command("lineage", f"found:{deepest}").out
    assert told.startswith("0  initial, 2 states, fitness ")
    refused = finished.command("lineage", "lion")
    assert refused.status == 2
    assert "expected RUN:ID" in refused.err


def _ancestors(logged: dict[int, Any], last: int | None) -> list[tuple[Any, Any]]:
    """Individuals and their parents, from the start."""
    found = []
    while last is not None:
        own = logged[last]
        last = own.parent_id
        found.append((own, None if last is None else logged[last]))
    return found[::-1]
