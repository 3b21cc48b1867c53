"""Which package may import what, how long files are, and what no file does; read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("webgraph", "beam_pipelines", "alx_solver")
_FILES = [path for package in _PACKAGES for path in sorted((_ROOT / package).rglob("*.py"))]
_MAX_LINES = 400
_MAX_FIELDS = 8

_WEBGRAPH = {"webgraph", "numpy", "pyarrow", "xxhash", "rich", "url", "ada_url", "google_crc32c"}
_PIPELINE = {
    "beam_pipelines",
    "apache_beam",
    "brotli",
    "msgspec",
    "resiliparse",
    "selectolax",
    "warcio",
    "webencodings",
    "zlib_ng",
}
_SOLVER = {"alx_solver", "jax", "jaxlib", "jaxtyping", "ml_dtypes", "scipy", "tensorboardX", "orbax"}
_ALLOWED = {
    "webgraph": _WEBGRAPH,
    "beam_pipelines": _WEBGRAPH | _PIPELINE | {"psutil", "zstandard", "fastwarc", "fsspec", "urllib3"},
    "alx_solver": _WEBGRAPH | _SOLVER,
}
_LEAVES = {  # files that nobody imports, and what more they may import
    "webgraph/webgraph_dataset_builder.py": {"tensorflow_datasets", "tensorflow", "beam_pipelines", "apache_beam"},
    "alx_solver/datasets/tfds_dataset.py": {"tensorflow_datasets", "tensorflow"},
}
_OPTIONAL = {  # imported inside a function, where they are asked for
    "alx_solver/bench/files.py": {"matplotlib"},
    "alx_solver/bench/implicit_peer.py": {"implicit"},
    "alx_solver/bench/spark_peer.py": {"pandas", "pyspark"},
    "alx_solver/tune_report.py": {"matplotlib"},
    "alx_solver/tune_samplers.py": {"optuna"},
}


_NATIVE = "alx_solver/linear_solvers/native/"  # only `row_kernels.py` imports it, by name and when it runs


def _name(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


def _imports(node: ast.AST) -> set[str]:
    """Top-level names of the modules that are imported anywhere inside."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "relative import"
            found.add((inner.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_imports_are_allowed(path: Path) -> None:
    allowed = _ALLOWED[_name(path).partition("/")[0]] | _LEAVES.get(_name(path), set()) | sys.stdlib_module_names
    allowed |= {"numba", "llvmlite"} if _name(path).startswith(_NATIVE) else set()
    optional, tree = _OPTIONAL.get(_name(path), set()), ast.parse(path.read_text())
    assert _imports(tree) <= allowed | optional
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not {name for node in top for name in _imports(node)} & optional


def test_the_dataset_builder_imports_the_pipeline_only_when_it_runs() -> None:
    path = _ROOT / "webgraph" / "webgraph_dataset_builder.py"
    if not path.exists():
        pytest.skip("webgraph/webgraph_dataset_builder.py is missing")
    top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not {name for node in top for name in _imports(node)} & {"beam_pipelines", "apache_beam"}


def _imported_modules(path: Path) -> set[str]:
    """Full names of the modules that an import statement names, anywhere in a file."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_nobody_imports_the_dataset_builder() -> None:
    for path in _FILES:
        assert "webgraph.webgraph_dataset_builder" not in _imported_modules(path), _name(path)


def test_nobody_imports_the_native_kernel_but_itself() -> None:
    package = _NATIVE.rstrip("/").replace("/", ".")
    for path in _FILES:
        if not _name(path).startswith(_NATIVE):
            assert not any(name.startswith(package) for name in _imported_modules(path)), _name(path)


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_files_are_short_and_do_not_print(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= _MAX_LINES
    assert "utils" not in path.stem
    calls = [node.func.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]  # fmt: skip # noqa: E501
    assert "print" not in calls


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_options_have_few_fields(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Options"):
            fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
            assert len(fields) <= _MAX_FIELDS, f"{node.name} has {len(fields)} fields"


_BLOCKED_IMPORT = """
import importlib, importlib.abc, pathlib, pkgutil, sys

package, blocked, leaves = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",")

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
root = importlib.import_module(package)
names = [module.name for module in pkgutil.walk_packages(root.__path__, package + ".")]
for name in names:
    if name not in leaves:
        importlib.import_module(name)
assert len(names) > 5
assert not [name for name in sys.modules if name.partition(".")[0] in blocked]
"""


@pytest.mark.parametrize(
    ("package", "blocked"),
    [
        ("webgraph", "apache_beam,tensorflow,tensorflow_datasets,jax,beam_pipelines,alx_solver"),
        ("beam_pipelines", "tensorflow,tensorflow_datasets,jax,alx_solver"),
        ("alx_solver", "apache_beam,tensorflow,tensorflow_datasets,beam_pipelines"),
    ],
)
def test_packages_import_without_the_others_libraries(package: str, blocked: str) -> None:
    leaves = ",".join(name.removesuffix(".py").replace("/", ".") for name in _LEAVES)
    command = [sys.executable, "-c", _BLOCKED_IMPORT, package, blocked, leaves]
    result = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
