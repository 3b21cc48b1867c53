"""What fuzzing has found stays found: every kept input, and the seeds of every target, run through their targets."""

import importlib
from pathlib import Path

import pytest

from tests.fuzz.seeds import TARGETS, write_seeds

_INPUTS = sorted((Path(__file__).parent / "regressions").glob("*/*"))
_NOT_MENDED: dict[str, str] = {}


def _run(target: str, data: bytes) -> None:
    importlib.import_module(f"tests.fuzz.targets.{target}").run(data)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _case(path: Path) -> object:
    reason = _NOT_MENDED.get(_name(path))
    marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
    return pytest.param(path, id=_name(path), marks=marks)


@pytest.mark.parametrize("path", [_case(path) for path in _INPUTS])
def test_what_was_found(path: Path) -> None:
    _run(path.parent.name, path.read_bytes())


def test_the_faults_that_are_not_mended_are_kept() -> None:
    assert _NOT_MENDED.keys() <= set(map(_name, _INPUTS))


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBGRAPH_SHARED_DATA", str(tmp_path / "none"))  # only those that are made
    write_seeds(target, tmp_path / "seeds")
    seeds = sorted((tmp_path / "seeds").iterdir())
    assert seeds
    for seed in seeds:
        _run(target, seed.read_bytes())
