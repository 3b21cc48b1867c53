"""Every dataclass of options of the solver takes numbers of NumPy and keeps plain ones; a model saves with them."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from alx_solver import als, options, run_directory, top_k, train, tune, tune_options
from alx_solver.bench import peers, scaling
from alx_solver.export import ExportOptions
from alx_solver.model import ALS
from alx_solver.model_files import save_model
from alx_solver.planner import PROFILES, PlanOptions
from alx_solver.planner.device_profile import DeviceProfile, read_profile
from alx_solver.planner.shape_load import ProblemShape
from tests.alx_solver.problems import power_law

NEEDED = {
    options.Hyperparameters: {"regularization": 1e-3, "unobserved_weight": 1e-3, "seed": 5},
    ProblemShape: {"name": "shape", "rows": 3, "cols": 4, "entries": 5},
    DeviceProfile: dataclasses.asdict(PROFILES["h200"]),
    PlanOptions: {"device": PROFILES["h200"]},
}
CLASSES = [
    options.Hyperparameters,
    options.SolverOptions,
    options.ExchangeOptions,
    options.MemoryOptions,
    options.Precision,
    options.BatchOptions,
    train.TrainOptions,
    tune_options.TuneOptions,
    top_k.TopKOptions,
    ExportOptions,
    PlanOptions,
    DeviceProfile,
    ProblemShape,
    peers.PeerOptions,
    scaling.ScalingOptions,
]
ANSWERS = {"tolerance": 0.5, "memory_fraction": 0.5, "remote_share": 0.5, "widths": (8, 16), "torus_axes": 2}


def made(kind, **fields):
    return kind(**(NEEDED.get(kind, {}) | fields))


def plain_values(kind) -> dict:
    """A valid value of every field that is a number, text or a tuple of them."""
    values = {}
    for field in dataclasses.fields(kind):
        default = NEEDED.get(kind, {}).get(field.name, field.default)
        value = ANSWERS.get(field.name, 7 if default is None and "int" in str(field.type) else default)
        if isinstance(value, int | float | str | tuple) and not isinstance(value, bool):
            values[field.name] = value
    return values


def of_numpy(value):
    if isinstance(value, tuple):
        return np.array(value) if not isinstance(value[0], str) else [np.str_(each) for each in value]
    if isinstance(value, str):
        return np.str_(value)
    return np.int64(value) if isinstance(value, int) else np.float64(value)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_numbers_of_numpy_are_kept_as_plain_ones(kind):
    values = plain_values(kind)
    assert values
    for name, value in values.items():
        found = getattr(made(kind, **{name: of_numpy(value)}), name)
        assert found == value and type(found) in (int, float, str, tuple)
        json.dumps(found)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_values_of_another_type_are_refused_by_name(kind):
    for name, value in plain_values(kind).items():
        wrong = {str: [3, b"x", None], tuple: ["12", 3, {1}]}.get(type(value), ["12", True, np.array(3), [3], 1j])
        for each in wrong:
            if each is None and "None" in str(kind.__annotations__[name]):
                continue
            with pytest.raises(ValueError, match=name):
                made(kind, **{name: each})


def test_a_profile_with_text_for_a_number(tmp_path):
    (tmp_path / "device.json").write_text(json.dumps({**NEEDED[DeviceProfile], "flops": "1e12"}))
    with pytest.raises(ValueError, match="flops must be a number, got '1e12'"):
        read_profile(tmp_path / "device.json")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"solver": "cholesky"}, "solver must be of type SolverOptions, got 'cholesky'"),
        ({"precision": "bfloat16"}, "precision must be of type Precision"),
        ({"epochs": 2.0}, "epochs must be an integer, got 2.0"),
        ({"epochs": True}, "epochs must be an integer, got True"),
        ({"dim": "64"}, "dim must be an integer, got '64'"),
        ({"dim": 8.0}, "dim must be an integer, got 8.0"),
        ({"seed": None}, "seed must be an integer, got None"),
        ({"regularization": np.float32("nan")}, "regularization must be finite and not negative, got nan"),
        ({"unobserved_weight": np.float64("inf")}, "unobserved_weight must be finite"),
        ({"init_stddev": 10**400}, "init_stddev must be a number that a float can hold"),
        ({"regularization": 1e39}, "regularization must be at most 3.40282e\\+38, as float32 is, got 1e\\+39"),
        ({"unobserved_weight": 1e39}, "unobserved_weight must be at most 3.40282e"),
        ({"solver": {}}, "solver must be of type SolverOptions, got {}"),
        ({"precision": ""}, "precision must be of type Precision"),
        ({"dim": 2**40}, "dim must be at most 65536, got 1099511627776"),
        ({"devices": "cpu"}, "devices must be a sequence of JAX's devices.* got 'cpu'"),
        ({"devices": 1}, "devices must be a sequence of JAX's devices.* got 1"),
        ({"devices": [0]}, "devices must be a sequence of JAX's devices"),
        ({"devices": []}, "devices is empty"),
    ],
)
def test_a_model_refuses_them_before_it_is_trained(fields, message):
    with pytest.raises(ValueError, match=message):
        ALS(**fields)


@pytest.fixture(scope="module")
def model():
    fields = {
        "dim": np.int64(4),
        "regularization": np.float32(1e-3),
        "unobserved_weight": np.float16(1e-2),
        "regularization_exponent": np.int8(1),
        "init_stddev": np.longdouble(3e-3),
        "seed": np.uint32(5),
        "epochs": np.int16(1),
    }
    return ALS(**fields, devices=jax.devices()[:1]).fit(power_law())


def test_a_model_of_numpy_numbers_is_saved_and_loaded_equal(tmp_path, model):
    model.save(tmp_path / "model")
    loaded = ALS.load(tmp_path / "model")
    assert loaded.options == model.options
    assert loaded.options.hyperparameters.regularization == float(np.float32(1e-3))
    for k in (np.int64(3), np.uint8(3)):
        ids, _ = loaded.recommend(0, k=k)
        assert ids.tolist() == model.recommend(np.int32(0), k=3)[0].tolist()
        assert loaded.similar(0, k=k)[0].shape == (3,)


@pytest.mark.parametrize("k", [3.0, np.float64(3), True, "3", None, np.array(3), float("nan")])
def test_k_is_an_integer(model, k):
    for ask in (model.recommend, model.similar):
        with pytest.raises(ValueError, match="k must be an integer, got "):
            ask(0, k=k)


@pytest.mark.parametrize("k", [2**31, 10**30])
def test_k_has_a_limit(model, k):
    for search in (model.recommend, model.similar):
        with pytest.raises(ValueError, match="k must be at most 2147483647"):
            search([0], k=k)


def test_a_callback_that_is_no_function_is_refused_before_training(monkeypatch):
    monkeypatch.setattr(als.AlsTrainer, "__init__", None)  # nothing is trained
    with pytest.raises(TypeError, match="callback must be a function of an EpochRecord, got list"):
        ALS().fit(power_law(), callback=[])


@pytest.mark.parametrize("error", [TypeError("no JSON"), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_nothing(tmp_path, monkeypatch, model, error):
    model.save(tmp_path / "model")
    before = (tmp_path / "model" / "run.json").read_bytes()

    def fail(*arguments, **fields):
        raise error

    monkeypatch.setattr("alx_solver.model_files.write_checkpoint", fail)
    for name in ("model", "other"):
        with pytest.raises(type(error)):
            model.save(tmp_path / name, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "run.json").read_bytes() == before


def test_a_rename_that_fails_gives_the_old_model_back(tmp_path, monkeypatch, model):
    model.save(tmp_path / "model")
    replace = run_directory.os.replace

    def fail(source, target):
        if str(source).endswith(".writing-model"):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr("alx_solver.model_files.os.replace", fail)
    with pytest.raises(OSError, match="Input/output error"):
        save_model(tmp_path / "model", model._fitted(), model.matrix, model.records, overwrite=True)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert ALS.load(tmp_path / "model").options == model.options


def test_a_damaged_run_is_said_in_words(tmp_path, model):
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "run.json"
    written = json.loads(file.read_text())
    for change in ({"hyperparameters": {"dim": "8"}}, {"hyperparameters": 3}, {"solver": None}):
        file.write_text(json.dumps(written | {"options": written["options"] | change}))
        with pytest.raises(
            run_directory.RunDirectoryError, match=r"run.json: its options cannot be used .*train again"
        ):
            ALS.load(tmp_path / "model")


def test_a_tuning_takes_grids_of_numpy(tmp_path):
    found = tune_options.TuneOptions(regularizations=np.logspace(-3, -1, 3), unobserved_weights=[np.float32(0.5)])
    trial = tune.Trial(
        regularization=found.regularizations[0],
        unobserved_weight=found.unobserved_weights[0],
        values=(0.5,),
        losses=(1.0,),
        seconds=1.0,
        stopped="epochs",
    )
    folder = tune.TuningFolder(tmp_path / "tuning")
    folder.open({"options": dataclasses.asdict(found)}, resume=False)
    folder.append(trial)
    assert folder.open({"options": dataclasses.asdict(found)}, resume=True) == [trial]
