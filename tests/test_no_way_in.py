"""No code, object or command out of data: what the packages must not call, read from their sources."""

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_FILES = [
    path for name in ("webgraph", "beam_pipelines", "alx_solver") for path in sorted((_ROOT / name).rglob("*.py"))
]
_MODULES = {
    "xml",
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "yaml",
    "xmlrpc",
    "pty",
    "code",
    "runpy",
}
_ALLOWED = {"xml.parsers": "beam_pipelines/xhtml_links.py"}
"""By module, the one file that may import it: Expat opens nothing, and that file bounds what it expands."""
_CALLS = {"eval", "exec", "compile", "__import__"}
_SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell", "execl", "execv", "execvp"}


def _name(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_nothing_runs_what_it_reads(path: Path) -> None:
    allowed = [f"imports {module}" for module, file in _ALLOWED.items() if file == _name(path)]
    for problem in problems(path.read_text()):
        if problem.partition(": ")[2] in allowed:
            continue
        pytest.fail(f"{_name(path)}:{problem}")


def problems(source: str) -> list[str]:
    """What a module does that could run data, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"{node.lineno}: imports {name}" for name in names if name.split(".")[0] in _MODULES]
        elif isinstance(node, ast.Call):
            found += [f"{node.lineno}: {what}" for what in _call_problems(node)]
    return found


def _call_problems(call: ast.Call) -> list[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    of = call.func.value.id if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) else ""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    found = [f"calls {name}"] if isinstance(call.func, ast.Name) and name in _CALLS else []
    found += [f"calls {of}.{name}"] if of in ("os", "subprocess", "asyncio") and name in _SHELLS else []
    found += [f"calls {of}.load without allow_pickle=False"] if (of, name) == ("np", "load") and not _is(keywords.get("allow_pickle"), False) else []  # fmt: skip # noqa: E501
    found += ["passes shell"] if "shell" in keywords and not _is(keywords["shell"], False) else []
    return found + (["passes allow_pickle"] if _is(keywords.get("allow_pickle"), True) else [])


def _is(node: ast.AST | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import pickle", "1: imports pickle"),
        ("from yaml import load", "1: imports yaml"),
        ("eval('1')", "1: calls eval"),
        ("import os\nos.system('x')", "2: calls os.system"),
        ("run(x, shell=True)", "1: passes shell"),
        ("np.load(x)", "1: calls np.load without allow_pickle=False"),
        ("np.load(x, allow_pickle=True)", "1: passes allow_pickle"),
        ("import xml.etree.ElementTree", "1: imports xml.etree.ElementTree"),
    ],
)
def test_the_scan_finds(source: str, problem: str) -> None:
    assert problem in problems(source)
    assert problems("import re, subprocess\nre.compile('x')\nsubprocess.run(['x'], shell=False)") == []
