"""References with options are read, and written again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lion_search.proxy_tasks.reference_options import OptionError, join_options, read_number, split_options


@pytest.mark.parametrize(
    ("reference", "name", "options"),
    [
        ("digits", "digits", {}),
        ("digits?", "digits", {}),
        ("digits?steps=3", "digits", {"steps": "3"}),
        ("digits?steps=3,metric=error", "digits", {"steps": "3", "metric": "error"}),
        ("digits?steps=3&metric=error", "digits", {"steps": "3", "metric": "error"}),
        ("digits?b=1&a=2,c=3", "digits", {"b": "1", "a": "2", "c": "3"}),
        ("module:function?steps=3", "module:function", {"steps": "3"}),
        ("a?b=c=d", "a", {"b": "c=d"}),
        ("", "", {}),
    ],
)
def test_a_reference_is_a_name_and_options_in_order(reference: str, name: str, options: dict) -> None:
    found_name, found = split_options(reference)
    assert (found_name, list(found.items())) == (name, list(options.items()))


@pytest.mark.parametrize("item", ["steps", "steps=", "=3", "="])
def test_what_is_no_key_and_value_is_named(item: str) -> None:
    with pytest.raises(OptionError, match=rf"'a\?b=1,{item}': expected key=value after '\?', found '{item}'"):
        split_options(f"a?b=1,{item}")


def test_an_option_cannot_be_given_twice() -> None:
    with pytest.raises(OptionError, match=r"'a\?b=1&b=1': 'b' is given twice"):
        split_options("a?b=1&b=1")


WORDS = st.text("abcxyz0189._-+:/", min_size=1)


@given(WORDS, st.dictionaries(WORDS, WORDS))
def test_what_is_joined_is_split_again(name: str, options: dict[str, str]) -> None:
    assert split_options(join_options(name, options)) == (name, options)


def test_without_options_a_reference_is_the_name() -> None:
    assert join_options("a", {}) == "a"
    assert join_options("a", {"b": 1, "c": 0.5}) == "a?b=1,c=0.5"


@pytest.mark.parametrize(("text", "number"), [("3", 3.0), ("-1e-3", -1e-3), (" 2 ", 2.0)])
def test_a_finite_number_is_read(text: str, number: float) -> None:
    assert read_number(text) == number
    assert math.isfinite(read_number(text))


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "three", ""])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not finite|could not convert"):
        read_number(text)
