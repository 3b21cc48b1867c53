"""Fuzz target: a whole archive to key blocks. Every record is a page or counted under a reason, as is every link."""

import io

from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive

_OPTIONS = ParseOptions(num_partitions=3, tlds_of_variants=((), ("de",)))


def run(data: bytes) -> None:
    """Raises where an archive is not read to its end, or something falls out uncounted."""
    reports: list[ArchiveReport] = []
    for partition, _ in parse_archive(io.BytesIO(data), "fuzz.warc.gz", _OPTIONS, reports.append):
        assert 0 <= partition < 3
    (report,) = reports
    counts = report.counts
    dropped = sum(count for name, count in counts.items() if name.startswith("records_") and name != "records_in")
    assert counts.get("records_in", 0) == counts.get("pages", 0) + dropped, counts
    links = ("links_out", "links_not_http", "links_not_a_url", "links_to_self", "links_duplicate")
    assert counts.get("links_in", 0) == sum(counts.get(name, 0) for name in links), counts
    skipped = sum(count for name, count in counts.items() if name.startswith("bytes_skipped_"))
    assert counts.get("bytes_skipped", 0) == skipped <= len(data), counts
