"""Real archives: the crawl with independently computed counts, files of several ages and makers, malformed ones."""

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from beam_pipelines.archive_records import Record, read_records
from beam_pipelines.build_graph import build
from beam_pipelines.build_report import BuildReport, total_counts
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from tests.beam_pipelines.graphs import options
from tests.shared_data import shared_data
from webgraph.graph_directory import GraphDirectory
from webgraph.variants import VARIANTS

_NUM_MALFORMED = 47


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    pattern = str(shared_data("crawl", "wat") / "*.wat.gz")
    return build([pattern], str(tmp_path_factory.mktemp("crawl") / "out"), options=options(tuple(VARIANTS)))


@pytest.mark.slow
def test_the_crawl_has_the_expected_counts(built: BuildReport) -> None:
    expected = json.loads(shared_data("crawl", "expected_counts.json").read_text())
    parsed, stats = total_counts(built.archives), expected["stats"]
    assert parsed["links_in"] == stats["links"] == 820_999
    assert parsed["links_not_http"] + parsed["links_not_a_url"] == stats["dropped_links"] == 3258
    assert parsed["pages"] == stats["pages"] == 18_461
    assert parsed["records_status_not_200"] == stats["not_200"] == 19
    assert parsed["records_not_html"] == stats["no_html"] == 4
    counts = built.manifests[0].counts
    assert counts["merge"]["pages_out"] == expected["pages"] == 18_461
    assert counts["merge"]["edges_out"] == expected["edges"] == 612_405
    for manifest, folder in zip(built.manifests, built.folders, strict=True):
        variant, directory = expected[manifest.variant.name], GraphDirectory.open(folder)
        degrees = directory.read_nodes().out_degree
        assert (directory.num_nodes, directory.num_edges) == (variant["nodes"], variant["edges"])
        assert ((degrees > 0).sum(), degrees.max()) == (variant["rows_with_edges"], variant["max_out"])


def _report(path: Path) -> ArchiveReport:
    reports: list[ArchiveReport] = []
    with path.open("rb") as stream:
        for _ in parse_archive(stream, path.name, ParseOptions(), reports.append):
            pass
    (report,) = reports
    return report


@pytest.mark.parametrize(
    ("name", "records", "pages", "links"),
    [
        ("cc-2020-34-slice.warc.gz", 50, 16, 1415),
        ("cc-2020-34-slice.warc.wat.gz", 51, 16, 1409),
        ("cc-2024-22-page.warc.gz", 4, 1, 207),
        ("cc-2024-22-page.warc.wat.gz", 5, 1, 207),
        ("cc-2023-response.warc.wat.gz", 1, 1, 670),
        ("heritrix-2008.warc.gz", 822, 94, 37_826),
        ("heritrix-2008.arc.gz", 300, 94, 37_826),
        ("heritrix-2008.warc.wat.gz", 823, 94, 37_804),
        ("wget-2024-bracketed-uris.warc.gz", 48, 22, 1302),
        ("wget-2024-bracketed-uris.warc.wat.gz", 49, 22, 1296),
    ],
)
def test_archives_of_several_ages(name: str, records: int, pages: int, links: int) -> None:
    report = _report(shared_data("archives", name))
    counts = Counter(report.counts)
    assert (counts["records_in"], counts["pages"], counts["links_in"]) == (records, pages, links)
    assert counts["bytes_skipped"] == 0
    assert report.failure == ""
    assert report.bytes == shared_data("archives", name).stat().st_size


def test_genuine_wat_record_has_all_its_links() -> None:
    counts = _report(shared_data("archives", "cc-2023-response.warc.wat.gz")).counts
    assert counts["links_in"] + counts["links_unselected"] == 699


def test_anchors_of_the_slice_as_a_regular_expression_counts_them() -> None:
    """`<a href>` in the text of the 16 pages, comments and scripts included, is near what the parser finds."""
    anchors = 0
    with shared_data("archives", "cc-2020-34-slice.warc.gz").open("rb") as stream:
        for record in read_records(stream):
            if isinstance(record, Record) and record.record_type == "response":
                anchors += len(re.findall(rb"<a\s[^>]*?\bhref\b", record.body, re.IGNORECASE))
    assert abs(anchors - 1415) < 0.05 * 1415


def test_the_arc_file_and_its_warc_twin_have_the_same_pages() -> None:
    arc, warc = (
        Counter(_report(shared_data("archives", f"heritrix-2008.{kind}.gz")).counts) for kind in ("arc", "warc")
    )
    for name in ("pages", "links_in", "links_out", "records_status_not_200", "records_not_html", "records_not_http"):
        assert arc[name] == warc[name] > 0, name


def _malformed() -> list[Path]:
    return sorted(shared_data("malformed").iterdir())


def test_malformed_files_neither_raise_nor_hang() -> None:
    paths = _malformed()
    assert len(paths) == _NUM_MALFORMED
    outcomes = Counter()
    for path in paths:
        started = time.thread_time()
        report = _report(path)
        assert time.thread_time() - started < 2, path.name
        counts = Counter(report.counts)
        assert report.bytes == path.stat().st_size
        assert counts["bytes_skipped"] <= report.bytes, path.name
        records = sum(value for name, value in counts.items() if name.startswith("records_") and name != "records_in")
        assert counts["records_in"] == counts["pages"] + records, path.name
        outcomes[report.failure or "read"] += 1
    assert outcomes["read"] >= 30


@pytest.mark.parametrize(
    ("name", "records", "pages", "reasons"),
    [
        ("warcio-example.warc.gz", 6, 1, []),
        ("warcio-example.warc", 6, 1, []),
        ("warcio-example-trunc.warc", 4, 1, []),
        ("warcio-example-space-in-target-uri.warc.gz", 2, 0, []),
        ("warcio-example-wget-bad-target-uri.warc.gz", 6, 1, []),
        ("warcio-example-space-in-url.arc", 2, 1, ["wrong_content_length"]),
        ("warcio-bad.arc", 1, 0, ["garbage"]),
        ("jwat-test-arc-1.0-dashed-fields.arc", 2, 1, ["wrong_content_length"]),
        ("jwat-valid-warcfile-upper-lower-case.warc", 5, 0, []),
        ("clipped.warc.gz", 1, 1, ["truncated_gzip_member"]),
        ("wat-truncated-json.warc.wat.gz", 1, 1, ["wrong_content_length"]),
        ("jwat-invalid-warcfile-lonely-monkeys.warc", 0, 0, ["garbage"]),
    ],
)
def test_outcomes_of_malformed_files(name: str, records: int, pages: int, reasons: list[str]) -> None:
    counts = Counter(_report(shared_data("malformed", name)).counts)
    skipped = [key.removeprefix("stretches_skipped_") for key in counts if key.startswith("stretches_skipped_")]
    assert (counts["records_in"], counts["pages"], skipped) == (records, pages, reasons)
