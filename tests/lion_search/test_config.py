"""The configuration: what is shipped, what the command line sets in it, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lion_search.config import (
    Config,
    ConfigError,
    check_config,
    commented_yaml,
    load_config,
    shipped_configs,
    to_yaml,
)
from lion_search.config.yaml12 import read_yaml
from lion_search.dsl.functions import FUNCTIONS
from lion_search.results.judge import JudgeSettings
from lion_search.search.methods.table import settings_class
from lion_search.search.settings import Budget, HurdleSettings, NoiseSettings, Order, SearchSettings


def keys(value: Any) -> Any:
    """The keys of a configuration, recursively; of a list, those of its items together."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        return [keys(inner) for inner in value]
    return None


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_configuration_loads(name: str) -> None:
    """By its name."""
    assert isinstance(load_config(name), Config)


def test_quickstart_is_shipped_and_shows_every_key_of_the_schema() -> None:
    """At every level: what its comments say of itself is true."""
    shown = yaml.safe_load(shipped_configs()["quickstart"].read_text())
    assert keys(shown) == keys(Config().model_dump())


def test_defaults_are_the_papers() -> None:
    """Population 1,000 and tournament 2, as the paper; all functions."""
    config = Config()
    assert (config.search.population, config.search.tournament) == (1000, 2)
    assert set(config.search_settings().mutation.functions) >= {"interp", "sign", "cosine_sim", "arcsin"}
    assert len(config.search_settings().mutation.functions) == 44


def test_without_further_seeds_nothing_is_taken_off_for_caution() -> None:
    """It would be the same for all, and shown with every fitness."""
    config = load_config("quickstart", ["noise.max_seeds=null", "prices.statement=0.0"])
    assert config.judge_settings() == JudgeSettings()


def test_paper_is_shipped_and_has_no_policies() -> None:
    """What the paper does not describe is off, but for the fingerprint."""
    settings = load_config("paper").search_settings()
    default = SearchSettings(settings_class("evolution")(), settings.mutation)
    assert settings == default


def test_settings_reach_the_search() -> None:
    """Each section in the place it is for."""
    config = load_config(
        "quickstart",
        [
            "functions=[sign, interp]",
            "mutation.insert=0.5",
            "mutation.max_statements=33",
            "search.population=77",
            "search.tournament=3",
            "search.lag=11",
            "search.method=constants",
            "search.order=asynchronous",
            "search.niches=none",
            "search.repeats=3",
            "search.plateau=99",
            "search.fingerprint=false",
            "search.max_random_statements=9",
            "search.update_scales=[1.0, 0.1]",
            "mutation.until_changed=0.25",
            "noise={max_seeds: 6, hits: 5, near: 1.5, caution: 0.5}",
            "hurdle={percentile: 40, window: 70, rejects: true}",
            "prices={state: 0.02, statement: 0.001}",
            "budget={programs: 5, evaluations: 4, minutes: 0.5}",
        ],
    )
    settings = config.search_settings()
    loop = settings.loop.model_dump()
    assert (loop["population"], loop["tournament"], loop["lag"]) == (77, 3, 11)
    assert (loop["method"], loop["order"]) == ("constants", Order.ASYNCHRONOUS)
    assert (loop["repeats"], loop["plateau"], loop["fingerprint"]) == (3, 99, False)
    assert (loop["max_random_statements"], loop["update_scales"]) == (9, (1.0, 0.1))
    assert settings.until_changed == 0.25
    assert settings.noise == NoiseSettings(max_seeds=6, hits=5, near=1.5, caution=0.5)
    assert settings.hurdle == HurdleSettings(percentile=40, window=70, rejects=True)
    assert config.judge_settings() == JudgeSettings(0.5, 0.02, 0.001)
    assert settings.mutation.functions == ("sign", "interp")
    assert (settings.mutation.insert, settings.mutation.max_statements) == (0.5, 33)
    assert config.budget == Budget(programs=5, evaluations=4, minutes=0.5)


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", ("seed",), 7),
        ("search.population=12", ("search", "population"), 12),
        ("tasks.0.seeds=3", ("tasks", 0, "seeds"), 3),
        ("workers=inline", ("workers",), "inline"),
        ("workers=3", ("workers",), 3),
        ("budget.minutes=null", ("budget", "minutes"), None),
        ("database=sqlite:///a=b.db", ("database",), "sqlite:///a=b.db"),
        ("functions=[sign, add]", ("functions",), ["sign", "add"]),
    ],
)
def test_set_changes_one_value_and_nothing_else(
    override: str, path: tuple[str | int, ...], value: object
) -> None:
    """Nested keys, items of lists, values with an equals sign."""
    before, after = load_config("quickstart").model_dump(), load_config("quickstart", [override]).model_dump()
    place = before
    for part in path[:-1]:
        place = place[part]
    assert place[path[-1]] != value
    place[path[-1]] = value
    assert after == before


def test_set_changes_one_item_of_a_list() -> None:
    """Later ones see what earlier ones have set."""
    config = load_config(
        "quickstart", ["functions=[sign, add, sub]", "functions.2=interp", "functions.0=cos"]
    )
    assert config.functions == ["cos", "add", "interp"]


def test_set_makes_sections_that_the_file_leaves_out(tmp_path: Path) -> None:
    """Also where the file names the section and leaves it empty."""
    path = tmp_path / "mine.yaml"
    path.write_text("budget:\n")
    config = load_config(str(path), ["search.lag=5", "budget.programs=9"])
    assert config == Config.model_validate({"search": {"lag": 5}, "budget": {"programs": 9}})


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("budget: {minutes: 1e-3}", "budget.minutes", 0.001),
        ("mutation: {insert: 1E+1}", "mutation.insert", 10.0),
        ("mutation: {insert: .5}", "mutation.insert", 0.5),
        ("seed: 0x1F", "seed", 31),
        ("initial: 017", "initial", "017"),
        ("initial: 3:30", "initial", "3:30"),
        ("initial: 2026-01-01", "initial", "2026-01-01"),
        ("initial: no", "initial", "no"),
        ("\ufeffseed: 3", "seed", 3),
        ("seed: 3\r\ninitial: lion\r\n", "initial", "lion"),
        ("search: {<<: {lag: 5}, population: 7}", "search.lag", 5),
    ],
)
def test_yaml_is_read_as_version_1_2_has_it(tmp_path: Path, text: str, path: str, value: object) -> None:
    """Numbers are what people write as numbers; all else is text."""
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8", newline="")
    found: Any = load_config(str(tmp_path / "mine.yaml")).model_dump()
    for key in path.split("."):
        found = found[key]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("budget: {minutes: 3:30}", ["budget.minutes", "found '3:30'; write one number, such as 3.5"]),
        ("seed: 017", ["seed", "found '017'; write a decimal number without a leading zero"]),
        ("seed: 0o17", ["found '0o17'; write a decimal number"]),
        ("seed: 1_000", ["found '1_000'; write 1000"]),
        ("seed: 1,000,000", ["found '1,000,000'; write 1000000"]),
        ("seed: '12'", ["found '12'; write 12"]),
        ("seed: 1e6", ["found 1000000.0; write 1000000"]),
        ("budget:\n  minutes: 3,5", ["found '3,5'"]),
        ("hurdle: {rejects: yes}", ["hurdle.rejects", "found 'yes'; write true"]),
        ("hurdle: {rejects: Off}", ["found 'Off'; write false"]),
        ("seed: 1\nbudget: {}\nseed: 2", ["key 'seed' stands on line 1 already, and again at line 3"]),
        (
            "budget:\n  minutes: 1\n  minutes: 2",
            ["key 'minutes' stands on line 2 already", "line 3, column 3"],
        ),
        ("seed: 1\n---\nseed: 2", ["expected a single document", "line 2"]),
        ("seed: " + "9" * 5000, ["not YAML", "4300"]),
        ("[" * 3000, ["nested too deeply"]),
        ("seed: !!python/name:os.system", ["could not determine a constructor"]),
        ("seed: \0", ["not allowed"]),
        ("functions: &f [*f]", ["functions"]),
    ],
)
def test_what_yaml_leaves_open_is_refused_with_what_to_write(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    """In a line that names the file; the same in what the command line sets."""
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    for part in parts:
        assert part in str(caught.value)


def test_set_reads_values_as_a_file_does() -> None:
    """And refuses the same."""
    assert load_config("quickstart", ["budget.minutes=1e-3"]).budget.minutes == 0.001
    with pytest.raises(ConfigError, match=r"budget\.minutes: .*found '3:30'; write one number"):
        load_config("quickstart", ["budget.minutes=3:30"])
    with pytest.raises(ConfigError, match=r"--set noise=.*key 'hits' stands on line 1 already"):
        load_config("quickstart", ["noise={hits: 1, hits: 2}"])


def test_set_changes_no_other_place_that_an_alias_leads_to(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("noise: &n {}\nprices: *n\n")
    config = load_config(str(path), ["noise.near=0.5"])
    assert config.noise.near == 0.5


@pytest.mark.parametrize("text", ["1e3", "yes", "012", "3:30", "0o17", "1_000", "~", "=", "<<", "2026-01-01"])
def test_text_that_looks_otherwise_is_written_in_quotes(text: str) -> None:
    """So that readers of either version of YAML find text."""
    written = to_yaml(Config(initial=text))
    assert read_yaml(written)["initial"] == yaml.safe_load(written)["initial"] == text


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    """Nothing is required."""
    path = tmp_path / "mine.yaml"
    path.write_text("# nothing yet\n")
    assert load_config(str(path)) == Config()


def test_a_file_of_the_users_comes_before_a_shipped_one_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name does not."""
    monkeypatch.chdir(tmp_path)
    Path("quickstart").mkdir()
    assert load_config("quickstart").search.population != 3
    Path("quickstart").rmdir()
    Path("quickstart").write_text("search: {population: 3}")
    assert load_config("quickstart").search.population == 3


@given(
    weight=st.floats(0, allow_nan=False, allow_infinity=False),
    probability=st.floats(0, 1),
    minutes=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
    functions=st.just("all") | st.lists(st.sampled_from(list(FUNCTIONS)), min_size=1),
    workers=st.sampled_from(["inline", "auto"]) | st.integers(1, 10**6),
    database=st.none() | st.text(),
    seed=st.integers(0),
)
def test_a_configuration_written_as_yaml_is_read_back_the_same(
    weight: float,
    probability: float,
    minutes: float | None,
    functions: str | list[str],
    workers: str | int,
    database: str | None,
    seed: int,
) -> None:
    """Whatever the numbers and texts; every key is written."""
    config = Config.model_validate(
        {
            "mutation": {"insert": weight, "new_constant": probability},
            "budget": {"minutes": minutes},
            "functions": functions,
            "workers": workers,
            "database": database,
            "seed": seed,
        }
    )
    values = read_yaml(to_yaml(config))
    assert check_config(values, "the text") == config
    assert keys(values) == keys(config.model_dump())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"serch": {}}, ["unknown key 'serch'", "'search'"]),
        ({"search": {"populaton": 3}}, ["unknown key 'search.populaton'", "'population'"]),
        ({"budget": {"zzz": 3}}, ["unknown key 'budget.zzz'", "programs, evaluations, minutes"]),
        ({"tasks": [{"name": "digits_mlp", "seed": 3}]}, ["unknown key 'tasks.0.seed'", "'seeds'"]),
        ({"search": {"population": "many"}}, ["search.population", "integer", "'many'"]),
        ({"search": {"population": 5.5}}, ["search.population", "integer", "5.5"]),
        ({"search": {"population": True}}, ["search.population", "integer", "True"]),
        ({"search": 3}, ["search: ", "3"]),
        ({"search": None}, ["search: ", "None"]),
        ({"mutation": {"insert": float("nan")}}, ["mutation.insert", "finite", "nan"]),
        ({"mutation": {"insert": -1}}, ["mutation.insert", "0", "-1"]),
        ({"mutation": {"new_constant": 1.5}}, ["mutation.new_constant", "1", "1.5"]),
        (
            {"mutation": {"insert": 0, "delete": 0, "modify": 0, "constant": 0}},
            ["mutation: ", "insert, delete, modify", "above 0"],
        ),
        ({"functions": ["sgn", "add"]}, ["functions", "unknown function 'sgn'", "'sign'"]),
        ({"functions": []}, ["functions", "at least 1"]),
        ({"functions": "some"}, ["functions", "'all'", "list", "'some'"]),
        ({"search": {"population": 5, "tournament": 6}}, ["tournament 6", "population 5"]),
        ({"search": {"lag": 0}}, ["search.lag", "greater than 0", "found 0"]),
        ({"workers": 0}, ["workers", "greater than 0", "'inline'", "'auto'", "found 0"]),
        ({"workers": -2}, ["workers", "greater than 0", "found -2"]),
        ({"study": "a"}, ["study: expected a database that holds it"]),
        ({"islands": {}}, ["islands: expected a study, whose islands they are"]),
        ({"database": "sqlite:///a", "study": "a b"}, ["study: string should match", "found 'a b'"]),
        (
            {"database": "sqlite:///a", "study": "a", "islands": {"every": 2}, "search": {"repeats": 3}},
            ["islands.every 2 is below the 3 repeats"],
        ),
        ({"workers": "inline", "ray_address": "auto"}, ["ray_address: workers are inline", "workers: auto"]),
        ({"gpus_per_worker": 1.5}, ["gpus_per_worker is 1.5: expected 0 to 1, or a whole number"]),
        ({"workers": "none"}, ["workers", "integer", "'inline'", "'auto'", "'none'"]),
        ({"budget": {"programs": 0}}, ["budget.programs", "greater than 0", "found 0"]),
        ({"budget": {"evaluations": -1}}, ["budget.evaluations", "greater than 0", "found -1"]),
        ({"budget": {"minutes": 0}}, ["budget.minutes", "greater than 0", "found 0"]),
        ({"seed": -1}, ["seed", "0", "-1"]),
        ({"tasks": []}, ["tasks", "at least 1"]),
        ({"tasks": [{"seeds": 1}]}, ["tasks.0.name", "required"]),
        ({"tasks": [{"name": "a"}, {"name": "a"}]}, ["tasks", "twice"]),
        ({"selection": {"validation_seeds": 7}}, ["selection.validation_seeds", "8", "found 7"]),
        ({"selection": {"test_seeds": 7}}, ["selection.test_seeds", "8", "found 7"]),
        ({"initial": 3}, ["initial", "string", "3"]),
        ({1: 2}, ["1", "string"]),
    ],
)
def test_a_wrong_value_is_named_by_its_path_with_what_is_allowed(
    values: dict[Any, Any], expected: list[str]
) -> None:
    """And where it stands: the file or name that was given."""
    with pytest.raises(ConfigError) as caught:
        check_config(values, "mine.yaml")
    for line in str(caught.value).splitlines():
        assert line.startswith("mine.yaml: ")
    for part in expected:
        assert part in str(caught.value)


def test_every_mistake_is_named_at_once() -> None:
    """A line for each."""
    with pytest.raises(ConfigError) as caught:
        check_config({"serch": {}, "budget": {"programs": 0}, "seed": "x"}, "mine.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for line, key in zip(sorted(lines), ("budget.programs", "seed", "serch"), strict=True):
        assert key in line


@pytest.mark.parametrize("key", ["tasks.0.seeds", "selection.validation_seeds", "selection.test_seeds"])
def test_more_seeds_than_a_stage_has_are_refused(key: str) -> None:
    """Stages must not share seeds."""
    with pytest.raises(ConfigError, match="less than or equal to 10000"):
        load_config("quickstart", [f"{key}=10001"])


@pytest.mark.parametrize("width", [80, 110])
@pytest.mark.parametrize("name", shipped_configs())
def test_a_commented_configuration_is_that_configuration(name: str, width: int) -> None:
    """Every key is explained, within so many columns, and what is printed may be run."""
    config = load_config(name)
    text = commented_yaml(config, width)
    assert max(map(len, text.splitlines())) <= width
    assert check_config(read_yaml(text), "the text") == config
    for section, values in config.model_dump().items():
        for key in values if isinstance(values, dict) else ():
            assert re.search(rf"#.*\n  {key}: |  {key}: .*#", text), f"{section}.{key} is not explained"


def test_the_comments_of_quickstart_are_those_of_the_schema() -> None:
    text = shipped_configs()["quickstart"].read_text(encoding="utf-8")
    head, _, body = text.partition("\n\n")
    assert all(line.startswith("#") for line in head.splitlines())
    assert body == commented_yaml(load_config("quickstart"))


def test_the_settings_of_a_method_of_ones_own_reach_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys, their bounds and what they mean; those of other methods are unknown then."""
    (tmp_path / "own_method.py").write_text(
        "from lion_search import LoopSettings\n"
        "class Mine(LoopSettings):\n"
        "    patience: int = 7\n"
        '    """How long it waits."""\n'
        "class Method:\n"
        "    settings = Mine\n"
        "    choose = make = apply = best = living = None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text("search: {method: 'own_method:Method', lag: 5}")
    config = load_config(str(path), ["search.patience=3"])
    assert config.search.patience == 3
    assert "  patience: 3             # How long it waits." in commented_yaml(config)
    assert check_config(read_yaml(to_yaml(config)), "the text") == config
    with pytest.raises(ConfigError, match=r"unknown key 'search\.population'.*patience"):
        load_config(str(path), ["search.population=3"])
