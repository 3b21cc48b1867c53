"""Lines of `metrics.jsonl` that are no records: the one that an interruption cut is left out, others are said."""

import pytest

from alx_solver.epoch_record import EpochRecord
from alx_solver.run_directory import RunDirectory, RunDirectoryError

_RECORD = EpochRecord(
    epoch=1, seconds=1.0, loss=3.0, loss_observed=1.0, loss_unobserved=1.0, loss_regularizer=1.0, metrics={}
)


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    found = RunDirectory(tmp_path)
    found.append(_RECORD)
    return found


@pytest.mark.parametrize("cut", [b"{", b'{"epoch": 2, "sec', b"\xff"])
def test_the_last_line_may_be_cut(run, cut):
    run.metrics_file.write_bytes(run.metrics_file.read_bytes() + cut)
    assert run.records() == [_RECORD]


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"3", b'{"epoch": 2}', b"\xff", b"null"])
def test_another_line_is_an_error_in_words(run, line):
    run.metrics_file.write_bytes(run.metrics_file.read_bytes() + line + b"\n")
    with pytest.raises(RunDirectoryError, match=r"metrics.jsonl: line 2 is no record of an epoch; remove that line"):
        run.records()
