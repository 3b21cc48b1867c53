"""The variants table, and definitions of further variants."""

import pytest

from webgraph.variants import PUBLISHED, VARIANTS, Variant, check_distinct, parse_variant, variant_folder


@pytest.mark.parametrize(
    ("name", "tlds", "min_degree", "folder", "shards", "test_rows"),
    [
        ("sparse", (), 10, "web_graph_min_10", 1000, 39_871_321),
        ("dense", (), 50, "web_graph_min_50", 1000, 13_256_496),
        ("de-sparse", ("de",), 10, "web_graph_tld_de_min_10", 100, 1_903_443),
        ("de-dense", ("de",), 50, "web_graph_tld_de_min_50", 100, 553_270),
        ("in-sparse", ("in",), 10, "web_graph_tld_in_min_10", 10, 140_313),
        ("in-dense", ("in",), 50, "web_graph_tld_in_min_50", 10, 47_894),
    ],
)
def test_published_variants(
    name: str, tlds: tuple[str, ...], min_degree: int, folder: str, shards: int, test_rows: int
) -> None:
    variant = VARIANTS[name]
    assert (variant.tlds, variant.min_degree, variant.tfrecord_shards) == (tlds, min_degree, shards)
    assert variant_folder(variant) == folder
    assert parse_variant(name) is variant
    assert PUBLISHED[name].test == test_rows


def test_there_are_six() -> None:
    assert len(VARIANTS) == len(PUBLISHED) == 6


@pytest.mark.parametrize(
    ("text", "tlds", "min_degree"),
    [
        ("at-20=at:20", ("at",), 20),
        ("dach=de+at+ch+de:10", ("at", "ch", "de"), 10),
        ("all-5=*:5", (), 5),
        ("rf=xn--p1ai:1", ("xn--p1ai",), 1),
    ],
)
def test_definitions(text: str, tlds: tuple[str, ...], min_degree: int) -> None:
    variant = parse_variant(text)
    assert variant == Variant(name=text.partition("=")[0], tlds=tlds, min_degree=min_degree)
    assert variant_folder(variant) == variant.name


def test_a_published_name_for_another_graph_is_not_the_published_folder() -> None:
    assert variant_folder(parse_variant("sparse=*:3")) == "sparse"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dense-de", r"Unknown variant 'dense-de'; valid names are sparse, dense, .* defines another"),
        ("a=de", "Unknown variant"),
        ("a=de:-1", "Unknown variant"),
        ("a=de:0", "min_degree of a must be at least 1, got 0"),
        ("a=DE:3", "TLD 'DE' of a must be one lower-case ASCII label, such as 'de'"),
        ("a=co.uk:3", "TLD 'co.uk' of a must be one"),
        ("a=de+:3", "TLD '' of a must be one"),
        ("a=*+de:3", r"TLD '\*' of a must be one"),
        ("a=рф:3", "TLD 'рф' of a must be one lower-case ASCII label"),
        ("../a=de:3", "Variant name '../a' must match"),
        (".a=de:3", "Variant name '.a' must match"),
        ("A=de:3", "Variant name 'A' must match"),
    ],
)
def test_bad_definitions_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_variant(text)


def test_shards_must_be_positive() -> None:
    with pytest.raises(ValueError, match="tfrecord_shards of a must be at least 1, got 0"):
        Variant(name="a", min_degree=1, tfrecord_shards=0)


def test_variants_of_a_run_are_distinct() -> None:
    check_distinct(list(VARIANTS.values()))
    with pytest.raises(ValueError, match="Variant 'dense' is asked for twice"):
        check_distinct([VARIANTS["dense"], VARIANTS["sparse"], VARIANTS["dense"]])
    with pytest.raises(ValueError, match="Between 1 and 63 variants can be built in one run, got 0"):
        check_distinct([])
    with pytest.raises(ValueError, match="got 64"):
        check_distinct([Variant(name=f"v{number}", min_degree=1) for number in range(64)])
