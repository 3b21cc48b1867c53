"""The `alx` command: arguments, exit codes, and one sentence for every error.

JAX is imported only after the arguments are parsed, because the number of CPU devices must be set before.
"""

import argparse
import sys
from collections.abc import Sequence

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

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      argv: arguments; those of the process if None.

    Returns:
      The exit code.
    """
    avoid_slow_sorts()
    try:
        arguments = make_parser([*MODEL_COMMANDS, add_tune, add_plan, add_bench]).parse_args(argv)
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
    except KeyboardInterrupt:
        hint = "; what was finished is whole, go on with --resume" if arguments.command in ("train", "tune") else ""
        _say(errors, f"interrupted{hint}.")
        return INTERRUPTED
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


def _dispatch(arguments: argparse.Namespace, console: Console) -> None:
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


def _say(console: Console, text: str) -> None:
    console.print(f"alx: {text}", soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
