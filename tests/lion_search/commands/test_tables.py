"""Tables that fit the terminal, in which nothing that is one thing is broken."""

from __future__ import annotations

import pytest
from screens import console, printed

from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.wrapping import wrapped

COLUMNS = (
    Column("Name", name=True),
    Column("Loss"),
    Column("Seeds", right=True, drop=1),
    Column("Started", drop=2),
    Column("About", prose=True),
)
NAME = "optax:adamw?learning_rate=0.03,b1=0.9,weight_decay=0.001"
ROW = (
    NAME,
    "0.0837 +- 0.0012",
    "1,024",
    "2026-11-28 22:08",
    "a sentence of a good many words, all of them whole",
)


def shown(width: int | None, *rows: tuple[str, ...]) -> list[str]:
    """The lines on a terminal of a width, or elsewhere."""
    screen = console(terminal=width is not None, width=width or 40)
    print_table(screen, COLUMNS, rows or (ROW,))
    return printed(screen).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()


def test_elsewhere_than_on_a_terminal_nothing_is_broken_or_left_out() -> None:
    """A row is a line of plain text, however wide."""
    title, row = shown(None)
    assert title.split() == ["Name", "Loss", "Seeds", "Started", "About"]
    assert all(cell in row for cell in ROW)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_table_fits_the_terminal(width: int) -> None:
    assert max(map(len, shown(width))) <= width


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (200, ["Name", "Loss", "Seeds", "Started", "About"]),
        (115, ["Name", "Loss", "Seeds", "About"]),
        (100, ["Name", "Loss", "About"]),
        (80, ["Name", "Loss", "About"]),
    ],
)
def test_columns_are_left_out_in_their_order(width: int, titles: list[str]) -> None:
    assert shown(width)[0].split() == titles


@pytest.mark.parametrize("width", [60, 80, 130, 200])
def test_numbers_dates_and_words_are_never_broken(width: int) -> None:
    """What is shown of them is shown on one line."""
    lines = shown(width)
    assert any(ROW[1] in line for line in lines)
    assert ("2026" in "".join(lines)) == any(ROW[3] in line for line in lines)
    assert set(ROW[4].split()) <= set(" ".join(lines).split())


def test_a_name_for_which_there_is_no_room_has_a_line_of_its_own() -> None:
    """So that names that differ in a digit are told apart; one wider than the terminal keeps its ends."""
    assert shown(80)[1] == NAME
    assert shown(80)[2].startswith(" " * 10)
    long = shown(80, (NAME * 3, *ROW[1:]))[1]
    assert len(long) == 80
    assert long.startswith(NAME[:30])
    assert long.endswith(NAME[-30:])


def test_a_users_text_is_shown_to_the_letter() -> None:
    """Neither markup nor control characters act, and a row stays a line."""
    row = ("[red]a   b[/red]", "1", "2", "x", "two\nlines \x1b[31m and :smile:")
    _, line = shown(200, row)
    assert line.startswith("[red]a   b[/red]  1  ")
    assert line.endswith(r"  x        two\nlines \x1b[31m and :smile:")


def test_columns_that_are_empty_are_left_out() -> None:
    title, _ = shown(None, ("a", "1", "", "", ""))
    assert title.split() == ["Name", "Loss"]


def test_text_is_broken_between_words_and_code_and_errors_are_one_word() -> None:
    """A word that is too long has a line of its own; the beginning of a line stays where it was."""
    text = "with `x1 = cbrt(g)` at 0.5 +- 0.1\n  and averyverylongword"
    assert wrapped(text, 14) == ["with", "`x1 = cbrt(g)`", "at 0.5 +- 0.1", "  and", "averyverylongword"]
