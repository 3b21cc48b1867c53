"""Tuning: which pairs are tried, when a trial stops, what a resumed tuning runs again, and its files."""

import dataclasses
import json

import pytest

from alx_solver import tune as tune_module
from alx_solver.cli import BAD_INPUT, INTERRUPTED, OK, main
from alx_solver.cli_commands import run_options
from alx_solver.cli_flags import make_parser
from alx_solver.tune import Trial, best_trial, reason_to_stop
from alx_solver.tune_options import TuneOptions
from alx_solver.tune_report import grid_of
from alx_solver.tune_samplers import next_pair
from tests.alx_solver.planted import write_planted


def trial(*values: float, lam: float = 1.0, alpha: float = 1.0, stopped: str = "epochs") -> Trial:
    losses = tuple(0.0 for _ in values)
    return Trial(
        regularization=lam, unobserved_weight=alpha, values=values, losses=losses, seconds=0.0, stopped=stopped
    )


def all_pairs(options: TuneOptions, value_of) -> list:
    finished: list = []
    while (pair := next_pair(options, 3, finished)) is not None:
        finished.append((pair, value_of(pair)))
    return [pair for pair, _ in finished]


def test_a_grid_is_all_pairs_once():
    options = TuneOptions(regularizations=(1.0, 2.0), unobserved_weights=(3.0, 4.0, 5.0))
    assert all_pairs(options, lambda pair: None) == [(lam, alpha) for lam in (1.0, 2.0) for alpha in (3.0, 4.0, 5.0)]
    assert next_pair(options, 0, [((1.0, 4.0), 0.5)]) == (1.0, 3.0)


@pytest.mark.parametrize("sampler", ["random", "optuna"])
def test_samplers_repeat_and_keep_their_limits(sampler):
    options = TuneOptions(
        regularizations=(1e-4, 1e-1), unobserved_weights=(1e-3, 1e-2, 1.0), sampler=sampler, trials=12
    )
    pairs = all_pairs(options, lambda pair: 1 - abs(pair[0] - 0.01))
    assert len(set(pairs)) == 12
    assert all(1e-4 <= lam <= 1e-1 and 1e-3 <= alpha <= 1 for lam, alpha in pairs)
    assert pairs == all_pairs(options, lambda pair: 1 - abs(pair[0] - 0.01))


def test_rules_of_stopping():
    options = TuneOptions(epochs=6, patience=2, median_after=2)
    others = [trial(0.5, 0.6, 0.7), trial(0.4), trial(0.8, 0.9)]
    assert reason_to_stop([0.1], options, []) is None
    assert reason_to_stop([0.3, 0.2], options, []) is None
    assert reason_to_stop([0.3, 0.2, 0.3], options, []) == "patience"
    assert reason_to_stop([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], options, []) == "epochs"
    assert reason_to_stop([0.1, 0.59], options, others) == "median"  # medians of 0.6, 0.4, 0.9
    assert reason_to_stop([0.1, 0.61], options, others) is None
    assert reason_to_stop([0.1], options, others) is None
    assert reason_to_stop([0.1, 0.2], options, others[:2]) is None


def test_the_best_trial_and_the_field():
    broken = trial(0.9, lam=2.0, stopped="not finite")
    trials = [trial(0.2, 0.5, 0.4, lam=1.0), broken, trial(0.5, lam=3.0)]
    best = best_trial(trials)
    assert best is trials[0] and best.best_epoch == 2
    assert best_trial([broken]) is None
    lambdas, alphas, values = grid_of(trials)
    assert (lambdas, alphas) == ([1.0, 2.0, 3.0], [1.0])
    assert values[0, 0] == values[2, 0] == 0.5 and values[1, 0] != values[1, 0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sampler": "magic"}, "unknown sampler 'magic'; valid: grid, random, optuna"),
        ({"metric": "auc"}, "unknown metric 'auc'; valid: recall@20"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"regularizations": (0.0,)}, "regularizations must be positive numbers"),
    ],
)
def test_wrong_options(fields, message):
    with pytest.raises(ValueError, match=message):
        TuneOptions(**fields)


def run(data, output, *flags: str) -> int:
    fixed = ["--dim", "4", "--epochs", "2", "--devices", "1", "--unobserved-weights", "0.01", "0.1"]
    return main(["tune", str(data), "--output", str(output), "--regularizations", "0.01", "1", *fixed, *flags])


def test_a_resumed_tuning_runs_no_finished_trial_again(tmp_path, monkeypatch, capsys):
    data = write_planted(tmp_path)
    ran = []
    whole = tune_module.run_trial

    def counted(dataset, options, *others):
        ran.append((options.hyperparameters.regularization, options.hyperparameters.unobserved_weight))
        if len(ran) == 3:
            raise KeyboardInterrupt
        return whole(dataset, options, *others)

    monkeypatch.setattr(tune_module, "run_trial", counted)
    assert run(data, tmp_path / "tuning") == INTERRUPTED
    with (tmp_path / "tuning" / "trials.jsonl").open("a") as file:
        file.write('{"regularization": 0.')  # a line that the interruption cut
    assert run(data, tmp_path / "tuning") == BAD_INPUT
    assert "holds a tuning already; add --resume" in capsys.readouterr().err
    assert run(data, tmp_path / "tuning", "--resume", "--seed", "9") == BAD_INPUT
    assert run(data, tmp_path / "tuning", "--resume") == OK
    assert ran == [(0.01, 0.01), (0.01, 0.1), (1.0, 0.01), (1.0, 0.01), (1.0, 0.1)]
    lines = [json.loads(line) for line in (tmp_path / "tuning" / "trials.jsonl").read_text().splitlines()]
    assert [(line["regularization"], line["unobserved_weight"]) for line in lines] == ran[:2] + ran[3:]
    described = json.loads((tmp_path / "tuning" / "tune.json").read_text())["dataset"]
    assert described["name"] == "planted/validation"
    shown = capsys.readouterr().out
    assert "recall@20 of validation rows" in shown
    assert (tmp_path / "tuning" / "heat_map.png").read_bytes().startswith(b"\x89PNG")

    best = json.loads((tmp_path / "tuning" / "best.json").read_text())
    assert best["value"] == max(max(line["values"]) for line in lines)
    flags = ["--hyperparameters", str(tmp_path / "tuning" / "best.json"), "--seed", "5"]
    arguments = make_parser().parse_args(["train", str(data), "--output", "run", *flags])
    assert dataclasses.asdict(run_options(arguments).hyperparameters) == best["hyperparameters"] | {"seed": 5}
    assert arguments.epochs == best["epochs"]
    assert main(["train", str(data), "--output", str(tmp_path / "no"), "--hyperparameters", str(data)]) == BAD_INPUT
    assert "not the best.json of `alx tune`" in capsys.readouterr().err
