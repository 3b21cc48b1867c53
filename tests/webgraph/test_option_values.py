"""Options keep plain Python values whatever type of number they are given, and refuse what is none of their kind."""

import dataclasses
import enum
import fractions
import json
from pathlib import Path

import numpy as np
import pytest

from webgraph.option_values import make_plain, plain_integer, plain_number, plain_text
from webgraph.split import SplitOptions


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    count: int = 1
    share: float = 0.5
    limit: int | None = None
    name: str = "a"
    folder: str | None = None
    widths: tuple[int, ...] | None = None
    on: bool = False
    split: SplitOptions = SplitOptions()

    def __post_init__(self) -> None:
        make_plain(self)


INTEGERS = [np.dtype(code).type for code in np.typecodes["AllInteger"]]


@pytest.mark.parametrize("kind", [int, Level, *INTEGERS])
def test_every_type_of_integer(kind):
    found = Options(count=kind(3), limit=kind(3), share=kind(3), widths=[kind(3)])
    assert found == Options(count=3, limit=3, share=3.0, widths=(3,))
    assert [type(value) for value in (found.count, found.limit, found.share, found.widths[0])] == [int, int, float, int]
    assert json.loads(json.dumps(dataclasses.asdict(found)))["widths"] == [3]


@pytest.mark.parametrize("kind", [float, np.float16, np.float32, np.float64, np.longdouble, fractions.Fraction])
def test_every_type_of_real_number(kind):
    found = Options(share=kind(0.25))
    assert found.share == 0.25 and type(found.share) is float
    with pytest.raises(ValueError, match="count must be an integer, got "):
        Options(count=kind(0.25))


@pytest.mark.parametrize(
    "value", [True, np.True_, "3", b"3", None, 3.0, np.float64(3), np.array(3), np.array([3]), [3], 3j, float("nan")]
)
def test_what_is_no_integer(value):
    with pytest.raises(ValueError, match=r"^count must be an integer, got .* \(of type \w+\)$"):
        plain_integer("count", value)


@pytest.mark.parametrize("value", [True, np.False_, "0.5", None, np.array(0.5), [0.5], 1j, 10**400])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match=r"^share must be a number"):
        plain_number("share", value)


def test_long_values_are_cut_in_messages():
    for value in ("x" * 10**6, 10.0**300 * np.ones(10**5), 10**6000):
        for check in (plain_integer, plain_number):
            if isinstance(value, int) and check is plain_integer:
                continue
            with pytest.raises(ValueError, match=r"^count must be") as caught:
                check("count", value)
            assert len(str(caught.value)) < 200


def test_text_and_paths():
    assert plain_text("folder", Path("a") / "b") == str(Path("a") / "b")
    found = Options(name=np.str_("b"), folder=Path("plans"))
    assert found == Options(name="b", folder="plans") and type(found.name) is str
    for value in (3, b"name", None, Path):
        with pytest.raises(ValueError, match="name must be text, got "):
            Options(name=value)


def test_sequences_become_tuples():
    for widths in ([8, 16], (8, 16), np.array([8, 16]), range(8, 17, 8)):
        assert Options(widths=widths).widths == (8, 16)
    for widths in ("816", {8, 16}, {8: 16}, 8, np.array(8)):
        with pytest.raises(ValueError, match="widths must be a sequence, got "):
            Options(widths=widths)
    with pytest.raises(ValueError, match=r"each of widths must be an integer, got 8.5"):
        Options(widths=(8.5,))


def test_truth_values_and_options_within_options():
    for fields, message in (
        (({"on": 1}), "on must be of type bool"),
        ({"split": None}, "split must be of type SplitOptions"),
    ):
        with pytest.raises(ValueError, match=message):
            Options(**fields)


def test_split_options_take_numbers_of_numpy():
    assert SplitOptions(seed=np.uint64(2**64 - 1), test_fraction=np.float16(0.5)) == SplitOptions(
        seed=2**64 - 1, test_fraction=0.5
    )
    with pytest.raises(ValueError, match="test_fraction must be in"):
        SplitOptions(test_fraction=np.float32("nan"))
