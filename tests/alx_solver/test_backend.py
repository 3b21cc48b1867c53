"""What is said where JAX cannot compute: platforms that are not here, flags that XLA cannot read, forked processes."""

import copy
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from alx_solver.backend import ForkedProcessError
from alx_solver.model import ALS
from alx_solver.options import Precision
from tests.alx_solver.planted import write_planted
from tests.alx_solver.problems import power_law
from tests.webgraph.graph_files import made_graph, write_graph

PATIENCE = 600  # seconds that only what hangs takes


@pytest.fixture(scope="module")
def model() -> ALS:
    return ALS(dim=4, epochs=1, devices=jax.devices()[1:3], precision=Precision(table="bfloat16")).fit(power_law())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_planted(tmp_path_factory.mktemp("data"))


def run(words: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    return subprocess.run(
        [sys.executable, *words],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        cwd=Path(__file__).parents[2],
    )


def alx(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(["-m", "alx_solver.cli", *words], **variables)


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_platforms_that_are_not_here():
    """In one process: JAX keeps no devices of a platform that it could not use."""
    platforms = ["cuda", "nonsense", "tpu", "rocm", "gpu", "cuda,tpu"]
    program = (
        "import json, sys, jax; from alx_solver.backend import BackendError, ready_devices; messages = []\n"
        "for platform in sys.argv[1:]:\n"
        "    jax.config.update('jax_platforms', platform)\n"
        "    try: ready_devices()\n"
        "    except BackendError as error: messages.append(str(error))\n"
        "print(json.dumps(messages))"
    )
    messages = json.loads(run(["-c", program, *platforms]).stdout)
    assert len(messages) == len(platforms)
    for platform, message in zip(platforms, messages, strict=True):
        assert message.startswith(f"JAX_PLATFORMS={platform} cannot be used: ")
        assert message.endswith("unset JAX_PLATFORMS to take what is here, or install JAX for that device")
        assert "\n" not in message and "(set JAX_PLATFORMS" not in message


def test_all_commands_that_use_devices_say_it(data, tmp_path):
    """In one process, so that JAX is imported once."""
    commands = [
        ["train", str(data), "--output", str(tmp_path / "run")],
        ["tune", str(data), "--output", str(tmp_path / "tuning")],
        ["bench", "solvers", str(data), "--output", str(tmp_path / "bench")],
        ["plan", str(data), "--device", "here"],
        ["plan", str(data), "--device", "h200"],  # which needs none
    ]
    program = (
        "import json, sys, scipy.sparse; from alx_solver.cli import main; from alx_solver.model import ALS\n"
        "print([main(words) for words in json.loads(sys.argv[1])])\n"
        "ALS(dim=2).fit(scipy.sparse.eye_array(3).tocsr())"
    )
    result = run(["-c", program, json.dumps(commands)], JAX_PLATFORMS="cuda")
    assert result.stdout.strip().splitlines()[-1] == "[2, 2, 2, 2, 0]", result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("alx: error: ")]
    assert [line.partition(" cannot be used")[0] for line in errors] == ["alx: error: JAX_PLATFORMS=cuda"] * 4
    assert (
        result.stderr.strip().splitlines()[-1].startswith("alx_solver.backend.BackendError: JAX_PLATFORMS=cuda cannot")
    )
    assert not {"run", "tuning"} & {path.name for path in tmp_path.iterdir()}


def test_commands_that_read_a_model_say_it(model, tmp_path):
    model.save(tmp_path / "model")
    write_graph(tmp_path / "graph", made_graph())
    file = tmp_path / "model" / "run.json"
    written = json.loads(file.read_text())
    nodes = len(made_graph().urls)
    file.write_text(json.dumps(written | {"dataset": written["dataset"] | {"rows": nodes, "cols": nodes}}))
    paths = [str(tmp_path / "model"), str(tmp_path / "graph")]
    commands = [["recommend", *paths, "--id", "0"], ["similar", *paths, "--id", "0"]]
    commands += [["export", paths[0], str(tmp_path / "tables")]]
    program = (
        "import json, sys; from alx_solver.cli import main; print([main(words) for words in json.loads(sys.argv[1])])"
    )
    result = run(["-c", program, json.dumps(commands)], JAX_PLATFORMS="cuda")
    assert result.stdout.strip().splitlines()[-1] == "[2, 2, 2]", result.stderr
    assert result.stderr.count("alx: error: JAX_PLATFORMS=cuda cannot be used: ") == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph", "model"]


def test_flags_that_xla_cannot_read(data, tmp_path):
    result = alx("train", str(data), "--output", str(tmp_path / "run"), XLA_FLAGS="--no_such_flag=1")
    assert result.returncode == 2, result.stderr
    assert result.stderr.splitlines() == [
        "alx: error: XLA cannot read XLA_FLAGS (Unknown flag in XLA_FLAGS: --no_such_flag=1); mend the variable, or "
        "unset it"
    ]
    assert not (tmp_path / "run").exists()


def test_other_flags():
    program = (
        "import os, sys; from alx_solver.xla_flags import check_xla_flags\n"
        "for flags in sys.argv[1:]:\n"
        "    os.environ['XLA_FLAGS'] = flags\n"
        "    try: print(check_xla_flags())\n"
        "    except ValueError as error: print(error)"
    )
    wrong = ["no such words", "--xla_dump_to=/nowhere --xla_nonsense"]
    right = ["", " ", "--xla_force_host_platform_device_count=3", "--xla_cpu_enable_fast_math=false"]
    lines = run(["-c", program, *wrong, *right]).stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines] == ["XLA cannot read XLA_FLAGS"] * 2 + ["None"] * 4


ASKED = {
    "recommend": lambda model: model.recommend(1),
    "recommend new rows": lambda model: model.recommend(power_law()[[0]]),
    "similar": lambda model: model.similar(1),
    "fold_in": lambda model: model.fold_in(power_law()[[0]]),
    "row_embeddings": lambda model: model.row_embeddings,
    "fit": lambda model: ALS(dim=2, epochs=1).fit(power_law()),
    "save": lambda model: model.save("never-written"),
    "pickle": pickle.dumps,
    "deepcopy": copy.deepcopy,
}


def _ask_all(model: ALS, answers) -> None:
    for name, ask in ASKED.items():
        try:
            ask(model)
            answers.send((name, "answered"))
        except ForkedProcessError as error:
            answers.send((name, str(error)))
    answers.close()


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_says_that_it_cannot_compute(model):
    model.recommend(0)  # JAX has its threads
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_ask_all, args=(model, sender))
    child.start()
    sender.close()
    try:
        for name in ASKED:
            assert receiver.poll(PATIENCE), f"{name} waits for ever"
            answered, message = receiver.recv()
            assert answered == name
            assert "was forked from one that had used JAX" in message and "get_context('spawn')" in message
        child.join(PATIENCE)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
    assert model.recommend(0, k=2)[0].shape == (2,)  # the parent goes on


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_before_jax_is_used_computes():
    program = (
        "import os, sys; from alx_solver.backend import ready_devices; import jax.numpy; child = os.fork(); "
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else len(ready_devices()) - 1; "
        "sys.exit(code or int(jax.numpy.arange(3).sum()) - 3)"
    )
    result = run(["-c", program], JAX_PLATFORMS="cpu")
    assert result.returncode == 0, result.stderr


def test_a_pickled_model_is_the_same_here(model):
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert copied.options == model.options and copied.records == model.records
        assert copied.matrix.digest == model.matrix.digest
        assert list(copied._model.mesh.devices) == jax.devices()[1:3] == copied._devices
        np.testing.assert_array_equal(copied.row_embeddings, model.row_embeddings)
        np.testing.assert_array_equal(copied.col_embeddings, model.col_embeddings)
        assert copied.recommend([0, 8], k=4)[0].tolist() == model.recommend([0, 8], k=4)[0].tolist()
        assert copied.recommend(power_law()[[0]])[0].tolist() == model.recommend(power_law()[[0]])[0].tolist()
    untrained = pickle.loads(pickle.dumps(ALS(dim=3)))
    with pytest.raises(ValueError, match="not trained: call fit"):
        untrained.recommend(0)


def test_a_pickled_model_comes_back_in_a_process_of_fewer_devices(model, tmp_path):
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    program = (
        "import json, pickle, sys; model = pickle.load(open(sys.argv[1], 'rb')); "
        "print(json.dumps([model._model.mesh.size, model.recommend([0, 8], k=4)[0].tolist()]))"
    )
    result = run(["-c", program, str(tmp_path / "model.pickle")], JAX_PLATFORMS="cpu")
    assert result.returncode == 0, result.stderr
    expected = [1, model.recommend([0, 8], k=4)[0].tolist()]
    assert json.loads(result.stdout) == expected


def test_the_base_installation_names_the_extra():
    program = (
        "import json, sys; from alx_solver.cli import main\n"
        "sys.modules |= dict.fromkeys(('jax', 'jaxlib', 'jaxtyping', 'scipy', 'numba', 'orbax', 'ml_dtypes'))\n"
        "print([main(words) for words in json.loads(sys.argv[1])])"
    )
    commands = [["train", ".", "--output", "."], ["tune", ".", "--output", "."], ["plan", "--variant", "sparse"]]
    commands += [["bench", "solvers", ".", "--output", "."], ["evaluate", ".", "."], ["export", ".", "."]]
    commands += [["recommend", ".", "."], ["similar", ".", "."]]
    result = run(["-c", program, json.dumps(commands)])
    assert json.loads(result.stdout) == [2] * len(commands), result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == len(commands)
    for line, (command, *_) in zip(lines, commands, strict=True):
        assert line.startswith(f"alx: error: alx {command} needs the package ")
        assert "which is not installed; run: pip install '.[solver]' in a checkout, or pip install" in line
