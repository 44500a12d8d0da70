"""The schema of a configuration: one statement of each setting, its default, its bounds and its meaning.

The settings of the search room stand there; those of the application here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model, model_validator

from lion_search.dsl.errors import did_you_mean
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS
from lion_search.dsl.program import LEARNING_RATE
from lion_search.dsl.settings import PositiveFloat, PositiveInt, Probability, Settings, Weight
from lion_search.dsl.shown import plural
from lion_search.dsl.trials import load_tried
from lion_search.dsl.variation.mutation import MutationSettings, MutationSpace
from lion_search.proxy_tasks.workers.pool import JobLimits
from lion_search.proxy_tasks.workers.resources import WorkerResources
from lion_search.results.judge import JudgeSettings
from lion_search.results.location import STUDY_NAME, absolute_url, with_study
from lion_search.results.records import MAX_SEEDS
from lion_search.search.islands import IslandSettings
from lion_search.search.methods.table import settings_class
from lion_search.search.settings import Budget, HurdleSettings, LoopSettings, NoiseSettings, SearchSettings
from lion_search.selection.funnel import RungSettings
from lion_search.selection.meta_validation import MetaValidationSettings

if TYPE_CHECKING:
    _ShippedSettings = LoopSettings
else:
    _ShippedSettings = settings_class("evolution")  # it comes from the table of methods


class MutationSection(MutationSettings):
    """A child is its parent with one mutation."""

    until_changed: Probability = 0.0
    """Probability that a child is mutated on until it computes something else than its parent."""

    @model_validator(mode="after")
    def _some_weight(self) -> MutationSection:
        if not any(self.weights.values()):
            raise ValueError(f"at least one of {', '.join(self.weights)} must be above 0")
        return self


class PricesSection(Settings):
    """What is taken off fitness, such as 0.005 for a state and 0.001 for a statement."""

    state: Weight = 0.0
    """For each state array of the canonical form."""
    statement: Weight = 0.0
    """For each statement of the canonical form."""


class TaskSection(Settings):
    """A proxy task and how many seeds each program is trained on."""

    name: str
    """Its reference: a name with options, or module:function."""
    seeds: Annotated[int, Field(gt=0, le=MAX_SEEDS)] = 1
    """Trainings of each program; more seeds, less luck, fewer programs."""


class LimitsSection(Settings):
    """What one candidate may take, all its trainings together; null is no limit.

    Time and memory are enforced from outside a Ray worker's process; what goes beyond is recorded as a
    failure and the worker is replaced.
    """

    seconds: PositiveFloat | None = 120.0
    """Of one candidate; not while the machine sleeps or others have its core."""
    memory_gb: PositiveFloat | None = None
    """Of a worker's process."""
    cost: PositiveFloat | None = 1000.0
    """Static cost of a step for each weight, in additions; see `lion-search functions`."""


class SelectionSection(Settings):
    """At the end the best of each niche are trained again on fresh seeds; the winner is tested."""

    finalists: PositiveInt = 12
    """How many of the best are trained again."""
    validation_seeds: Annotated[int, Field(ge=8, le=MAX_SEEDS)] = 16
    """Fresh seeds of each."""
    tuned: Annotated[int, Field(ge=0)] = 2
    """So many of the first of these are entered again with their constants tuned, on other seeds."""
    test_seeds: Annotated[int, Field(ge=8, le=MAX_SEEDS)] = 32
    """Seeds of the winner and its rivals on test data."""


class SimplificationSection(Settings):
    """Then the winner, of each niche, is made readable, on the tasks above."""

    how_far: Literal["redundancy", "proofs", "experiments"] = "experiments"
    """redundancy: what no update depends on is dropped; proofs: and the simplest equal form is found by
    proof; experiments: and what is shown to cost nothing is left out."""
    minutes: PositiveFloat = 1.0
    """For proofs and experiments together, of all winners."""
    margin: PositiveFloat = 0.03
    """The loss of fitness that experiments must exclude; 0.03 is 3 % of the loss."""


class Config(Settings):
    """Everything a run needs."""

    initial: str = "adamw"
    """The program every member of the first population is: a file, a library name, or RUN:ID of an earlier
    run. adamw is Program 3 of the paper, with its untuned learning rate of 0.001; tuned is AdamW with the
    constants tuned on the first task."""
    warm_start: str | None = None
    """Begin with this program instead, such as RUN:ID; it gets the states of the initial one."""
    functions: Literal["all"] | Annotated[list[str], Field(min_length=1)] = "all"
    """Which functions inserted statements may apply: all 44 of them, or a list such as [interp, sign, add]. A
    function of your own stands in the list as module:name, where name is a lion_search Function, as in
    [all, mine:softsign]."""
    mutation: MutationSection = MutationSection()
    search: _ShippedSettings = settings_class("evolution")()
    """How programs are proposed, looked up and kept."""
    noise: NoiseSettings = NoiseSettings()
    hurdle: HurdleSettings = HurdleSettings()
    prices: PricesSection = PricesSection()
    reuse: list[str] = Field(default_factory=list)
    """Earlier runs on the same tasks whose scores are used where a program is the same."""
    budget: Budget = Budget()
    """The search ends when the first of these is spent. A program whose functional hash is known (the same
    optimizer, however it is written) costs nothing and does not count as an evaluation."""
    tasks: Annotated[list[TaskSection], Field(min_length=1)] = Field(
        default_factory=lambda: [TaskSection(name="digits_mlp")]
    )
    """What programs are trained on: `lion-search tasks` lists them; options follow the name, as in
    "digits_mlp?batch_size=256,label_noise=0.1"; a task of your own is module:function. Fitness is the mean
    over tasks of log(loss of tuned AdamW / loss) on validation data: 0 is parity with tuned AdamW, higher is
    better; what fails is below all. Where losses may be zero or negative,
    "mine:task?fitness=difference,unit=0.5" makes it their difference, so much of which counts as 1."""
    selection: SelectionSection = SelectionSection()
    funnel: list[RungSettings] = Field(default_factory=list)
    """Then rungs of larger and larger tasks, such as [{tasks: ["digits_mlp?scale=10"]}]. On each the
    constants of programs and baselines are tuned with equal effort; those programs go on that are ahead of
    tuned AdamW and of the best known optimizer that takes no more memory. [] is no funnel."""
    meta_validation: MetaValidationSettings | None = None
    """The best program of each slice of the search is trained on larger tasks, such as {tasks:
    ["digits_mlp?scale=10"], every: 1000}: whether what rises in the search rises there as well. null is
    none. With stop: true the search ends where they part."""
    transfer_card: bool = False
    """Whether the winner gets a transfer card on the first task: learning rate and weight decay beside
    AdamW's, batch sizes, bfloat16 and more, in some 300 trainings; see `lion-search card`."""
    simplification: SimplificationSection = SimplificationSection()
    mode: Literal["auto", "interpreted", "compiled", "batched"] = "auto"
    """How programs are run: interpreted (as data, compiled once for all), compiled (each for itself, for
    tasks that train for minutes), batched (many at a time, for accelerators); auto decides for each task by
    its size and by the device."""
    limits: LimitsSection = LimitsSection()
    workers: PositiveInt | Literal["inline", "auto"] = "auto"
    """Ray processes: a number, auto (one a core, or in a cluster as many as there is room for), or inline
    (none, in this process)."""
    ray_address: str | None = None
    """A running Ray cluster to train on: auto (this machine's) or HOST:PORT. null is what RAY_ADDRESS says;
    without that Ray is started for this run alone."""
    cpus_per_worker: PositiveFloat = 1.0
    """Cores that Ray keeps for each worker, which computes on one."""
    gpus_per_worker: Weight = 0.0
    """Share of a GPU for each Ray worker."""
    resources_per_worker: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Other resources of a cluster's nodes that each worker takes, such as {big: 1}: it then works where a
    node was started with them."""
    database: str | None = None
    """Where the log goes: null is log.db in the run folder, else a database URL."""
    study: Annotated[str, Field(pattern=STUDY_NAME)] | None = None
    """Name of the log in a database that holds several: a schema of PostgreSQL; a URL of SQLite then names a
    folder. null: the database holds this log only."""
    islands: IslandSettings | None = None
    """Several drivers, each with a log of its own in one database, search for one study and take in each
    other's best: such as {island: 2, every: 1000, migrants: 1}. null is one driver alone."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of all random choices of the search."""

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if self.workers == "inline" and self.ray_address is not None:
            raise ValueError("ray_address: workers are inline; on a cluster: workers: auto, or a number")
        self.worker_resources()
        for name in self._listed():
            if ":" not in name and name not in FUNCTIONS:
                hint = did_you_mean(name, FUNCTIONS)
                raise ValueError(f"functions: unknown function '{name}'{hint}; your own: module:name")
        for task in self.tasks:
            if self.noise.max_seeds is not None and self.noise.max_seeds < task.seeds:
                seeds = plural(task.seeds, "seed")
                raise ValueError(
                    f"noise.max_seeds {self.noise.max_seeds} is below the {seeds} of {task.name}"
                )
        if self.study is not None and self.database is None:
            raise ValueError("study: expected a database that holds it")
        if self.islands is not None and self.study is None:
            raise ValueError("islands: expected a study, whose islands they are")
        if self.islands is not None and self.islands.every < self.search.repeats:
            raise ValueError(f"islands.every {self.islands.every} is below the {self.search.repeats} repeats")
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError("tasks: a task is listed twice; give it more seeds instead")
        return self

    def search_settings(self) -> SearchSettings:
        """The search room's settings. The user's own functions are loaded."""
        functions = tuple(load_tried(f).name if ":" in f else f for f in self._listed())
        hidden = (LEARNING_RATE,) if self.search.schedule == "outside" else ()
        chances = self.mutation.model_dump(exclude={"until_changed"})
        mutation = MutationSpace(functions=functions, hidden=hidden, **chances)
        return SearchSettings(self.search, mutation, self.mutation.until_changed, self.noise, self.hurdle)

    def judge_settings(self) -> JudgeSettings:
        """How programs are compared. Without further seeds caution would take the same off all."""
        caution = self.noise.caution if self.noise.max_seeds else 0.0
        return JudgeSettings(caution, self.prices.state, self.prices.statement)

    def search_seed(self) -> int | str:
        """Of all random choices of the search: each island has its own."""
        return self.seed if self.islands is None else f"{self.seed}.{self.islands.island}"

    def log_url(self) -> str | None:
        """Where the log goes; ``None`` for the run's folder.

        Raises:
            StoreError: that is no database URL.
        """
        if self.database is None:
            return None
        if self.study is None:
            return absolute_url(self.database)
        island = "" if self.islands is None else f".{self.islands.island}"
        return with_study(self.database, f"{self.study}{island}")

    def most_seeds(self, task: TaskSection) -> int:
        """On how many seeds a program of the search may be trained."""
        return max(task.seeds, self.noise.max_seeds or 1)

    def own_functions(self) -> tuple[str, ...]:
        """The user's own functions, ``module:name`` each."""
        return tuple(f for f in self._listed() if ":" in f)

    def _listed(self) -> tuple[str, ...]:
        """All functions, each once."""
        listed = ["all"] if self.functions == "all" else self.functions
        return tuple(dict.fromkeys(f for name in listed for f in (BUILT_IN if name == "all" else (name,))))

    def pool_limits(self) -> JobLimits:
        """What the pool enforces from outside a worker's process."""
        memory = self.limits.memory_gb
        return JobLimits(self.limits.seconds, None if memory is None else int(memory * 2**30))

    def worker_resources(self) -> WorkerResources:
        """What Ray keeps for each worker."""
        return WorkerResources(self.cpus_per_worker, self.gpus_per_worker, self.resources_per_worker)


@cache
def schema(method: str) -> type[Config]:
    """The schema of a configuration whose search is by this method, with the method's settings in ``search``.

    Raises:
        LionSearchError: there is no such method.
    """
    section = settings_class(method)
    if section is settings_class("evolution"):
        return Config
    about = Config.model_fields["search"].description
    return create_model("Config", __base__=Config, search=(section, Field(section(), description=about)))
