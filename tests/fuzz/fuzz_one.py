"""Runs one fuzz target under atheris (libFuzzer): `python -m tests.fuzz.fuzz_one TARGET [libFuzzer arguments]`."""

import importlib
import sys

import atheris


def main() -> None:
    name = sys.argv[1]
    with atheris.instrument_imports(include=["beam_pipelines", "webgraph", "warcio"]):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
