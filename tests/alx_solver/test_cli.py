"""The `alx` command on a planted-community graph: exit codes, files, resumption, words for errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from alx_solver import cli_commands
from alx_solver.checkpoint import save_checkpoint
from alx_solver.cli import BAD_INPUT, FAILED, INTERRUPTED, OK, main
from alx_solver.exchange import plan_cache
from alx_solver.run_directory import RunDirectory
from tests.alx_solver.planted import write_planted
from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.manifest import VariantRecord

SMALL = ["--dim", "8", "--regularization", "0.01", "--unobserved-weight", "0.1", "--split-seed", "1"]


def train(data: Path, output: Path, *flags: str) -> int:
    return main(["train", str(data), "--output", str(output), *SMALL, *flags])


def lines_of(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def without_seconds(output: Path) -> list[dict]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines_of(output)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_planted(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole_run(data, tmp_path_factory):
    """Four unbroken epochs on one device."""
    output = tmp_path_factory.mktemp("whole") / "run"
    assert train(data, output, "--epochs", "4", "--devices", "1") == OK
    return output


def test_a_run_writes_losses_that_fall_and_beats_the_baselines(whole_run):
    lines = lines_of(whole_run)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    losses = [line["loss"] for line in lines]
    assert losses == sorted(losses, reverse=True)
    for line in lines:
        parts = line["loss_observed"] + line["loss_unobserved"] + line["loss_regularizer"]
        assert line["loss"] == pytest.approx(parts, rel=1e-5)
    summary = json.loads((whole_run / "summary.json").read_text())
    assert summary["means"]["ALX"]["recall@20"] == lines[-1]["recall@20"]
    # 8 communities of 30: at random 20 of about 229 columns; inside the community 20 of about 19 left.
    assert summary["means"]["ALX"]["recall@20"] > 0.95
    for baseline in ("random", "most popular"):
        assert summary["means"]["ALX"]["recall@20"] > summary["means"][baseline]["recall@20"] + 0.5
    assert summary["gain"]["low"] > 0.5
    assert "no URLs" in summary["absent"]["most popular of the same host"]


@pytest.mark.parametrize("stop_at", [1, 3])
def test_a_resumed_run_gives_the_losses_of_an_unbroken_one(data, whole_run, tmp_path, stop_at):
    assert train(data, tmp_path / "run", "--epochs", str(stop_at), "--devices", "1") == OK
    assert train(data, tmp_path / "run", "--epochs", "4", "--devices", "1", "--resume", "--exchange", "table") == OK
    assert without_seconds(tmp_path / "run") == without_seconds(whole_run)
    assert RunDirectory(tmp_path / "run").options().exchange.name == "auto"  # that of the start; it may change


def test_eight_devices_give_the_same_run(data, whole_run, tmp_path):
    assert train(data, tmp_path / "run", "--epochs", "4", "--devices", "8") == OK
    ours, theirs = lines_of(tmp_path / "run"), lines_of(whole_run)
    for key in ("loss", "loss_observed", "recall@20"):
        np.testing.assert_allclose([line[key] for line in ours], [line[key] for line in theirs], rtol=1e-3)


def test_runs_on_the_same_data_share_plans(data, tmp_path, monkeypatch):
    flags = ["--epochs", "1", "--devices", "2", "--plan-cache", str(tmp_path / "plans")]
    assert train(data, tmp_path / "first", *flags) == OK
    kept = sorted((tmp_path / "plans").iterdir())
    assert len(kept) == 2
    assert not (tmp_path / "first" / "exchange-plans").exists()
    monkeypatch.setattr(plan_cache, "write_plan", None)  # no plan is made again
    assert train(data, tmp_path / "second", *flags) == OK
    assert without_seconds(tmp_path / "second") == without_seconds(tmp_path / "first")
    monkeypatch.undo()
    assert train(data, tmp_path / "third", *flags, "--exchange", "table") == OK
    assert len(sorted((tmp_path / "plans").iterdir())) == 4  # of other options, other plans


def test_an_interrupted_run_can_be_resumed(data, whole_run, tmp_path, monkeypatch, capsys):
    def interrupted(directory, trainer, state):
        if state.epoch == 3:
            raise KeyboardInterrupt
        return save_checkpoint(directory, trainer, state)

    monkeypatch.setattr("alx_solver.train.save_checkpoint", interrupted)
    assert train(data, tmp_path / "run", "--epochs", "4", "--devices", "1") == INTERRUPTED
    assert "go on with --resume" in capsys.readouterr().err
    assert [line["epoch"] for line in lines_of(tmp_path / "run")] == [1, 2, 3]
    monkeypatch.undo()
    # The line of epoch 3, which has no checkpoint, is dropped and written again.
    assert train(data, tmp_path / "run", "--epochs", "4", "--devices", "1", "--resume") == OK
    assert without_seconds(tmp_path / "run") == without_seconds(whole_run)


def test_the_table_is_printed(data, tmp_path, capsys):
    assert train(data, tmp_path / "run", "--epochs", "2", "--evaluate-every", "0", "--max-test-rows", "5") == OK
    shown = capsys.readouterr().out
    assert "240 rows x 240 columns" in shown
    for word in ("epoch", "R@20", "ALX", "most popular of the same host", "metrics.jsonl", "checkpoint"):
        assert word in shown
    first, last = lines_of(tmp_path / "run")
    assert "recall@20" not in first
    assert "recall@20" in last


def test_evaluate_repeats_the_last_epoch(data, whole_run, tmp_path, capsys):
    out = tmp_path / "table.json"
    assert (
        main(["evaluate", str(whole_run), str(data), "--split-seed", "1", "--devices", "1", "--json", str(out)]) == OK
    )
    assert "ALX" in capsys.readouterr().out
    assert json.loads(out.read_text())["means"] == json.loads((whole_run / "summary.json").read_text())["means"]


def test_validation_rows_are_other_rows(data, tmp_path):
    assert train(data, tmp_path / "run", "--epochs", "1", "--evaluate-on", "validation") == OK
    assert RunDirectory(tmp_path / "run").read()["dataset"]["name"] == "planted/validation"


def test_tensorboard_files_are_written(data, tmp_path):
    assert train(data, tmp_path / "run", "--epochs", "1", "--tensorboard", str(tmp_path / "events")) == OK
    assert list((tmp_path / "events").glob("events.out.tfevents.*"))


def test_missing_tensorboard_is_said_in_words(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert train(data, tmp_path / "run", "--tensorboard", str(tmp_path)) == BAD_INPUT
    message = capsys.readouterr().err
    assert "needs the package tensorboardX, which is not installed; run: pip install '.[tensorboard]'" in message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dim", "0"], "dim must be at least 1"),
        (["--epochs", "0"], "epochs must be at least 1, got 0"),
        (["--devices", "99"], "--devices 99: JAX has 8"),
        (["--max-test-rows", "0"], "max_test_rows must be at least 1, got 0"),
        (["--linear-solver", "magic"], "invalid choice: 'magic'"),
        (["--regularization", "-1"], "regularization must be finite and not negative"),
        (["--test-fraction", "2"], "test_fraction must be in"),
    ],
)
def test_wrong_flags_exit_with_2(data, tmp_path, capsys, flags, message):
    assert train(data, tmp_path / "run", *flags) == BAD_INPUT
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten_and_not_mixed(data, whole_run, tmp_path, capsys):
    assert train(data, whole_run) == BAD_INPUT
    assert "holds a run already; add --resume" in capsys.readouterr().err
    assert train(data, whole_run, "--resume", "--seed", "5") == BAD_INPUT
    assert "was trained with hyperparameters.seed = 0, not 5" in capsys.readouterr().err
    assert train(data, whole_run, "--resume", "--split-seed", "2") == BAD_INPUT
    assert "was trained on other data" in capsys.readouterr().err


def test_a_missing_run_and_a_missing_file(data, tmp_path, capsys):
    assert main(["evaluate", str(tmp_path), str(data)]) == BAD_INPUT
    assert "no run.json in it" in capsys.readouterr().err
    assert train(tmp_path / "absent.npz", tmp_path / "run") == BAD_INPUT
    assert "absent.npz: no such file" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_in_words_and_keeps_the_checkpoint(tmp_path, capsys):
    # Two columns that are the same, no regularisation: the Cholesky factor does not exist.
    scipy.sparse.save_npz(tmp_path / "flat.npz", scipy.sparse.csr_array(np.ones((30, 6), np.float32)))
    flags = ["--dim", "8", "--regularization", "0", "--unobserved-weight", "0", "--linear-solver", "cholesky"]
    flags += ["--devices", "1", "--test-fraction", "0.3"]
    code = main(["train", str(tmp_path / "flat.npz"), "--output", str(tmp_path / "run"), *flags])
    assert code == FAILED
    assert "regularization" in capsys.readouterr().err


def test_a_failure_while_running_exits_with_1(data, tmp_path, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(cli_commands, "make_trainer", fail)
    assert train(data, tmp_path / "run") == FAILED
    assert "MemoryError" in capsys.readouterr().err


def test_help_explains_exit_codes_without_jax():
    program = "import sys; from alx_solver.cli import main; code = main(['train', '--help']); "
    program += "assert 'jax' not in sys.modules and 'numpy' not in sys.modules; sys.exit(code)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "exit codes:" in result.stdout
    assert "--unobserved-weight" in result.stdout


def test_one_cpu_device_a_core_by_default(data, tmp_path):
    """A fresh process, because JAX of this one has its devices already; XLA gets spare ones for its threads."""
    program = "import sys; from alx_solver.cli import main; code = main(sys.argv[1:]); import jax; "
    program += "from alx_solver.host_devices import num_cores; "
    program += "assert len(jax.devices()) == 2 * num_cores(), jax.devices(); sys.exit(code)"
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    arguments = ["train", str(data), "--output", str(tmp_path / "run"), *SMALL, "--epochs", "1"]
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_a_graph_directory_has_the_host_baseline_and_may_be_named_by_its_variant(tmp_path, capsys):
    variant = VariantRecord(name="sparse", tlds=(), min_degree=3)
    write_graph(tmp_path / "web_graph_min_10", made_graph(), variant=variant)
    assert train(tmp_path / "sparse", tmp_path / "run", "--epochs", "1", "--devices", "1") == OK
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["dataset"] == "sparse"
    assert set(summary["means"]) == {"ALX", "random", "most popular", "most popular of the same host"}
    assert not summary["absent"]
    assert "no URLs" not in capsys.readouterr().out
