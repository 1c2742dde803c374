"""Names with options: read, filled in, bound, refused in one line."""

import pytest

from fcnet.catalogue import Entry, Option, bound, choose, table
from fcnet.errors import InputError

ENTRIES = table(
    Entry(name="plain", formula="z"),
    Entry(
        name="rich",
        formula="z",
        options={
            "low": Option(-1.0, "lower end"),
            "high": Option(1.0, "upper end"),
            "pieces": Option(2, "how many", low=2, high=8),
            "rate": Option(0.5, "a share", low=0, high=1, open_high=True),
            "size": Option(1.0, "a size", low=0, open_low=True),
            "shared": Option(True, "a switch"),
            "mode": Option("in", "a word", choices=("in", "out")),
        },
        ascending=("low", "high"),
    ),
)


def test_options_are_filled_in():
    entry, options = choose("thing", "rich:pieces=3, rate=0.25,shared=no,mode=out", ENTRIES)
    assert entry is ENTRIES["rich"]
    assert options == {
        "low": -1.0, "high": 1.0, "pieces": 3, "rate": 0.25, "size": 1.0, "shared": False, "mode": "out"
    }  # fmt: skip
    assert choose("thing", " plain ", ENTRIES) == (ENTRIES["plain"], {})


def test_what_is_written_is_read_back():
    entry = ENTRIES["rich"]
    assert choose("thing", entry.written, ENTRIES) == (entry, entry.values("thing", {}))
    assert ENTRIES["plain"].written == "plain"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plian", "unknown thing 'plian': did you mean plain"),
        ("plain:slope=1", "thing plain has no options, got slope=1"),
        ("rich:lwo=1", "unknown option of thing rich 'lwo': did you mean low"),
        ("rich:low", "thing rich:low: expected rich:option=value, got 'low'"),
        ("rich:pieces=2.5", r"thing rich: pieces must be an integer in \[2, 8\], got 2.5"),
        ("rich:pieces=9", r"an integer in \[2, 8\], got 9"),
        ("rich:rate=1", r"rate must be a number in \[0, 1\), got 1"),
        ("rich:size=0", "size must be a number > 0, got 0"),
        ("rich:low=nan", "low must be a number, got nan"),
        ("rich:low=inf", "low must be a number, got inf"),
        ("rich:shared=perhaps", "shared must be true or false, got perhaps"),
        ("rich:mode=up", "mode must be in or out, got up"),
        ("rich:low=2", "thing rich: low must be below high, got 2.0 and 1.0"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(InputError, match=message):
        choose("thing", text, ENTRIES)


def test_bound_leaves_a_function_without_options_alone():
    assert bound(len, {}) is len
    assert bound(round, {"ndigits": 1})(2.34) == 2.3
