"""Scaling: the bytes are the trainer's plan's, and seconds are measured only where there are devices."""

import jax
import pytest

from alx_solver.als import AlsTrainer
from alx_solver.bench.files import write_figures
from alx_solver.bench.scaling import ScalingOptions, bench_scaling, draw_scaling, leading_part
from alx_solver.options import ExchangeOptions, Hyperparameters
from alx_solver.planner import PROFILES, PlanOptions
from tests.alx_solver.planted import planted_csr

MODEL = Hyperparameters(dim=8, regularization=1e-2, unobserved_weight=1e-1, seed=0)


def test_bytes_are_those_of_the_trainer_and_modelled_seconds_go_beyond_the_devices(tmp_path):
    matrix = planted_csr()
    options = ScalingOptions(counts=(2, 16), exchanges=("table", "routed"), repeats=1)
    planned = PlanOptions(device=PROFILES["h200"], dim=8)
    result = bench_scaling(matrix, "planted", MODEL, planned, options, jax.devices()[:2])
    trainer = AlsTrainer(matrix, MODEL, devices=jax.devices()[:2], exchange=ExchangeOptions(name="table"))
    gramians = 2 * 2 * (1 / 2) * 4 * 8**2
    moved = trainer.row_side.plan.total_bytes + trainer.col_side.plan.total_bytes
    assert result["strong"]["2"]["bytes"]["table"] == moved + gramians
    for kind in ("strong", "weak"):
        measured = {count: entry["measured_seconds"] for count, entry in result[kind].items()}
        assert measured["2"]["median"] > 0 and measured["16"] is None
        assert all(entry["modelled_seconds"] > 0 for entry in result[kind].values())
    assert result["weak"]["2"]["matrix"]["rows"] == matrix.num_rows // 8
    assert write_figures(tmp_path, "scaling", result, draw_scaling)["picture"].stat().st_size > 10_000


def test_the_leading_part_is_the_corner_of_the_matrix():
    matrix = planted_csr()
    corner = matrix.to_scipy().toarray()[:60, :60]
    assert (leading_part(matrix, 0.25).to_scipy().toarray() == corner).all()


@pytest.mark.parametrize("wrong", [{"counts": ()}, {"counts": (2, 1)}, {"exchanges": ()}, {"repeats": 0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError):
        ScalingOptions(**wrong)
