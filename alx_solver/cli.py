"""The `alx` command: arguments, exit codes, and one sentence for every error.

Only `stop_signals` is imported at the top, so that signals are minded before anything else is imported. JAX is imported
only after the arguments are parsed, because the number of CPU devices must be set before.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from webgraph import stop_signals

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      argv: arguments; those of the process if None, which is then the command, and which a signal ends here.

    Returns:
      The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    name, advice = _name_and_advice(words)
    if argv is None:
        stop_signals.begin(name, advice)
    try:
        return stop_signals.run(lambda: _run(words))
    except KeyboardInterrupt:
        sys.stderr.write(stop_signals.sentence(name, stop_signals.SIGNALS[0], advice))
        return INTERRUPTED


def _name_and_advice(words: Sequence[str]) -> tuple[str, str]:
    """How the sentence about a signal begins and ends."""
    command = words[0] if words and not words[0].startswith("-") else ""
    advice = "; what was finished is whole, go on with --resume" if command in ("train", "tune") else ""
    return f"alx {command}".rstrip(), advice


def _run(words: Sequence[str]) -> int:
    from rich.console import Console

    from alx_solver.cli_bench_flags import add_bench
    from alx_solver.cli_flags import make_parser
    from alx_solver.cli_model_flags import MODEL_COMMANDS
    from alx_solver.cli_plan_flags import add_plan
    from alx_solver.cli_tune_flags import add_tune
    from alx_solver.host_devices import use_host_devices, use_single_threaded_blas
    from alx_solver.processes import join_processes
    from alx_solver.xla_flags import check_xla_flags
    from webgraph.missing_extra import missing_extra
    from webgraph.numpy_sort import avoid_slow_sorts

    avoid_slow_sorts()
    try:
        arguments = make_parser([*MODEL_COMMANDS, add_tune, add_plan, add_bench]).parse_args(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    errors = Console(stderr=True)
    arguments.cpu_devices = use_host_devices(arguments.devices)
    if arguments.command == "bench":
        use_single_threaded_blas()
    try:
        check_xla_flags()
        writer = join_processes(arguments)
        _dispatch(arguments, Console(quiet=not writer))
    except ValueError as error:
        _say(errors, f"error: {error}")
        return BAD_INPUT
    except ImportError as error:
        _say(errors, f"error: {missing_extra(f'alx {arguments.command}', 'solver', error)}")
        return BAD_INPUT
    except (RuntimeError, ArithmeticError, OSError, MemoryError) as error:
        _say(errors, f"error: {str(error) or type(error).__name__}")
        return FAILED
    return OK


def _dispatch(arguments: "argparse.Namespace", console: "Console") -> None:
    from alx_solver import cli_bench, cli_commands, cli_model, cli_plan, cli_tune

    commands = {
        "train": cli_commands.run_train,
        "evaluate": cli_commands.run_evaluate,
        "bench": cli_bench.run_bench,
        "tune": cli_tune.run_tune,
        "plan": cli_plan.run_plan,
        "recommend": cli_model.run_recommend,
        "similar": cli_model.run_similar,
        "export": cli_model.run_export,
    }
    commands[arguments.command](arguments, console)


def _say(console: "Console", text: str) -> None:
    if stop_signals.is_stopping():  # it failed because it was stopped, which is said already or will be
        return
    console.print(f"alx: {text}", soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
