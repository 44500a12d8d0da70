"""What exported files say of a program: what it was recognized as."""

import pytest

from lion_search.runs.origin import note_of


@pytest.mark.parametrize(
    ("recognized", "notes"),
    [
        (
            "this is lion, no weight decay; b1 0.7 (there 0.9)",
            ("This is lion, no weight decay; b1 0.7 (there 0.9).",),
        ),
        ("no known optimizer (met the limit of nodes)", ()),
        ("", ()),
    ],
)
def test_a_note_says_which_known_optimizer_it_is(recognized: str, notes: tuple[str, ...]) -> None:
    """Nothing where it is none, or nobody has looked."""
    assert note_of(recognized) == notes
