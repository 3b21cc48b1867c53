"""Which links are outlinks."""

import pytest

from webgraph.link_selection import LinkSelection


@pytest.mark.parametrize(
    ("path", "by_default"),
    [
        ("A@/href", True),
        ("AREA@/href", True),
        ("IMG@/src", False),
        ("FORM@/action", False),
        ("IFRAME@/src", False),
        ("STYLE/#text", False),
        ("", False),
        ("A@/data-href", False),
    ],
)
def test_paths(path: str, by_default: bool) -> None:
    assert LinkSelection().selects_path(path) is by_default
    assert LinkSelection(all_paths=True).selects_path(path)


@pytest.mark.parametrize(
    ("rel", "is_dropped"),
    [
        (None, False),
        ("", False),
        ("noopener", False),
        ("nofollow", True),
        ("noopener\tNoFollow", True),
        ("UGC", True),
        ("sponsored external", True),
        ("nofollower", False),
    ],
)
def test_rel(rel: str | None, is_dropped: bool) -> None:
    assert LinkSelection().selects_rel(rel)
    assert LinkSelection(drop_nofollow=True).selects_rel(rel) is not is_dropped
