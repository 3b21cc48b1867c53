"""Fuzz target: the record reader. Any bytes are records and counted skips, and each byte of the file belongs to one."""

import io

from beam_pipelines.archive_records import Record, read_records


def run(data: bytes) -> None:
    """Raises where a law of the reader does not hold."""
    total = 0
    for item in read_records(io.BytesIO(data)):
        assert item.raw_bytes >= 0, item
        total += item.raw_bytes
        if isinstance(item, Record):
            assert isinstance(item.record_type, str) and isinstance(item.target_uri, str)
            assert len(list(item.headers)) == len(item.headers)
    assert total <= len(data), (total, len(data))
