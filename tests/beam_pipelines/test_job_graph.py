"""What Dataflow would be sent for one month's crawl: prepared by Beam's Dataflow runner, in a script, not submitted."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]
NUM_INPUTS = 64_000
MAX_BYTES = 10_000_000
"""Dataflow takes job graphs of at most 10 MB (cloud.google.com/dataflow/docs/request-quotas)."""
_EXACT_CODERS = {f"beam:coder:{name}:v1" for name in ("varint", "bytes", "string_utf8")}

# Beam pickles what it finds in the main module by value. So the jobs are made by a script, as users' are, which has a
# function of its own to show that one would be found.
_SCRIPT = """
import json, sys
from pathlib import Path

import apache_beam as beam
from tests.beam_pipelines import job_graphs

def of_the_script(element):
    return element

def facts(job):
    pipeline = job.proto_pipeline
    pickles = job_graphs.pickles(pipeline)
    return {
        "request_size": job_graphs.request_size(job),
        "names_an_archive": b"part-00001" in pipeline.SerializeToString(),
        "num_functions": job_graphs.num_functions(pipeline),
        "num_pickles": len(pickles),
        "from_main": sum(b"__main__" in data for data in pickles),
        "key_coders": list(job_graphs.grouping_key_coders(pipeline)),
    }

if __name__ == "__main__":
    jobs = job_graphs.jobs_of_a_month(Path(sys.argv[1]), int(sys.argv[2]))
    found = {name: facts(job) for name, job in jobs.items()}
    with beam.Pipeline(argv=list(job_graphs.DATAFLOW_ARGS)) as pipeline:
        pipeline | beam.Create([1]) | beam.Map(of_the_script)
    found["script"] = facts(job_graphs.RecordingRunner.jobs[-1])
    Path(sys.argv[3]).write_text(json.dumps(found))
"""
_JOBS = ("parse", "filter", "filter_again", "write")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("apache_beam.runners.dataflow.internal.apiclient", reason="needs the extra gcp")
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "script.py").write_text(_SCRIPT)
    command = [sys.executable, "script.py", str(folder / "work"), str(NUM_INPUTS), "facts.json"]
    result = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return dict(json.loads((folder / "facts.json").read_text()))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT)}


@pytest.mark.parametrize("job", _JOBS)
def test_a_job_for_a_month_is_small_and_names_no_archive(found: dict[str, Any], job: str) -> None:
    assert 1000 < found[job]["request_size"] < MAX_BYTES
    assert not found[job]["names_an_archive"]


@pytest.mark.parametrize("job", _JOBS)
def test_a_job_holds_nothing_of_the_script_that_makes_it(found: dict[str, Any], job: str) -> None:
    assert found[job]["num_pickles"] >= found[job]["num_functions"] > 0
    assert found[job]["from_main"] == 0


def test_what_is_of_the_script_would_be_found(found: dict[str, Any]) -> None:
    assert found["script"]["from_main"] == 1


@pytest.mark.parametrize("job", _JOBS)
def test_grouping_keys_have_coders_that_every_runner_knows(found: dict[str, Any], job: str) -> None:
    coders = found[job]["key_coders"]
    assert coders
    assert {urn for _, urn in coders} <= _EXACT_CODERS, coders
