"""`alx plan`: figures, exit codes, words for mistakes."""

import json

import pytest

from alx_solver.cli import BAD_INPUT, FAILED, OK, main
from alx_solver.options import LINEAR_SOLVERS
from alx_solver.planner import PROFILES
from alx_solver.planner.device_profile import read_profile
from tests.alx_solver.planted import write_planted


def test_a_published_variant_on_eight_devices(tmp_path, capsys):
    figures = tmp_path / "plan.json"
    code = main(["plan", "--variant", "sparse", "--device", "h200", "--count", "8", "--json", str(figures)])
    found = json.loads(figures.read_text())
    assert code == (OK if found["fits"] else FAILED)
    assert found["rows"] == 411_920_375  # train and test rows together, more than there are nodes
    assert found["memory_bytes"]["tables"] == 2 * (411_920_375 // 8 + 2) * 128 * 2
    assert found["roofline_seconds"]["memory"] == pytest.approx(2 * 30e9 * 256 / 8 / 4.8e12)
    assert not found["exact"]
    printed = capsys.readouterr().out
    assert "model of the shape" in printed and "not measured" in printed


def test_data_is_planned_exactly_and_measured_here(tmp_path, capsys):
    data = write_planted(tmp_path)
    assert main(["plan", str(data), "--dim", "8", "--device", "a100", "--count", "3"]) == OK
    assert "the trainer's own plan" in capsys.readouterr().out


def test_what_does_not_fit_ends_with_one(capsys):
    assert main(["plan", "--variant", "sparse", "--device", "tpu-v3"]) == FAILED
    assert "does not fit on 1 x tpu-v3" in capsys.readouterr().err


@pytest.mark.parametrize("solver", LINEAR_SOLVERS)
def test_every_solver_has_costs(solver, capsys):
    shape = ["--rows", "1e6", "--cols", "2e6", "--entries", "1e8", "--linear-solver", solver]
    assert main(["plan", *shape, "--device", "tpu-v5p", "--count", "4"]) == OK


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--variant", "spares"], "unknown variant 'spares'; valid: sparse, dense"),
        ([], "give DATA, or --variant, or all of --rows, --cols and --entries"),
        (["--rows", "10"], "give DATA, or --variant, or all of"),
        (["--variant", "sparse", "--entries", "5"], "give DATA, or --variant, or all of"),
        (["--variant", "sparse", "--device", "h300"], "h300: not a readable device profile"),
        (["--variant", "sparse", "--device", "h200", "--flops", "-1"], "flops of device 'h200' must be positive"),
    ],
    ids=str,
)
def test_mistakes_are_said(flags, words, capsys):
    assert main(["plan", *flags]) == BAD_INPUT
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_profile_from_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"memory_bytes": 1e9, "memory_bandwidth": 1e9, "flops": 1e9, "link_bandwidth": 1e9}))
    assert read_profile(path).name == "mine"
    path.write_text(json.dumps({"memory": 1e9}))
    with pytest.raises(ValueError, match=r"\['memory'\] in a device profile; give an object with name, memory_bytes"):
        read_profile(path)
    path.write_text(json.dumps({"memory_bytes": 1e9}))
    with pytest.raises(ValueError, match="missing 3 required keyword-only arguments"):
        read_profile(path)


def test_a_torus_carries_what_goes_far_over_several_links():
    torus, switch = PROFILES["tpu-v3"], PROFILES["h200"]
    assert switch.exchange_bandwidth(256) == switch.link_bandwidth
    assert torus.exchange_bandwidth(256) == pytest.approx(torus.link_bandwidth / 8)  # 2 axes of side 16: 4 links each
