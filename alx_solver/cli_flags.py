"""The flags of the `alx` commands. Imports neither JAX nor NumPy, so that `--help` is quick."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from alx_solver.hyperparameters_file import HyperparametersFile
from alx_solver.options import (
    EXCHANGES,
    FOLD_IN_REGULARIZATIONS,
    KERNELS,
    LINEAR_SOLVER_CHOICES,
    LINEAR_SOLVERS,
    TABLE_DTYPES,
)

_EXIT_CODES = """\
exit codes:
  0    done
  1    failed while running (a loss that is not finite, no memory, a full disk)
  2    wrong arguments or input
  130  stopped by SIGINT (Ctrl-C), 143 by SIGTERM, 129 by SIGHUP, 131 by SIGQUIT; go on with --resume after training
"""
DATA_HELP = "a graph directory, a prepared TFDS version folder, a SciPy .npz matrix, or an .adjacency.txt[.gz] list"

# argparse keeps the types of sub-parsers and groups private.
Commands = Any
Flags = Any


def make_parser(more: Sequence[Callable[[Commands], None]] = ()) -> argparse.ArgumentParser:
    """The parser of `train` and `evaluate`, and of the commands that `more` adds."""
    parser = argparse.ArgumentParser(
        prog="alx",
        description="Implicit-feedback matrix factorisation by sharded alternating least squares.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    for add in more:
        add(commands)
    return parser


def add_command(commands: Commands, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_train(commands: Commands) -> None:
    parser = add_command(
        commands,
        "train",
        "train a model and report loss and recall of every epoch",
        "Trains a model. Writes run.json, metrics.jsonl (a line an epoch), a checkpoint after every epoch, and\n"
        "summary.json into --output; ends with the recall table beside the baselines. The first epoch's seconds\n"
        "include compilation.",
    )
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --output, if any")
    parser.add_argument("--tensorboard", metavar="DIR", help="also write TensorBoard event files (needs tensorboardX)")
    model = parser.add_argument_group("model")
    _add_model_flags(model)
    model.add_argument(
        "--hyperparameters",
        metavar="FILE",
        action=HyperparametersFile,
        help="take them from the best.json of `alx tune`; flags after this one count more",
    )
    add_solver_flags(parser.add_argument_group("solver"))
    group = parser.add_argument_group("run")
    group.add_argument("--epochs", type=int, default=16, metavar="N", help="epochs in all (default: %(default)s)")
    group.add_argument(
        "--evaluate-every",
        type=int,
        default=1,
        metavar="N",
        help="recall after every N epochs and the last; 0: the last only (default: %(default)s)",
    )
    _add_evaluation_flags(group)
    _add_exchange_flags(parser.add_argument_group("many devices and processes"))
    add_data_flags(parser)


def _add_exchange_flags(group: Flags) -> None:
    group.add_argument(
        "--exchange",
        choices=EXCHANGES,
        default="auto",
        help="how embeddings move between devices; auto takes what moves least (default: %(default)s)",
    )
    group.add_argument(
        "--exchange-memory",
        type=float,
        metavar="F",
        help="hold at most this fraction of a table of other devices' embeddings (default: what is needed)",
    )
    group.add_argument(
        "--batch-memory",
        type=float,
        metavar="GB",
        help="of a device for the batches; more are streamed from host memory or disk (default: all on the devices)",
    )
    group.add_argument(
        "--host-memory",
        type=float,
        metavar="GB",
        help="for batches that are streamed; more go to files in --output (default: all in host memory)",
    )
    group.add_argument(
        "--plan-cache",
        metavar="DIR",
        help="keep the plans of exchange here, say beside the data: runs on it share them (default: in --output)",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="of process 0, where there are several processes")
    group.add_argument("--num-processes", type=int, metavar="N", help="how many processes train together")
    group.add_argument("--process-id", type=int, metavar="I", help="which of them this is; 0 writes the files")


def _add_model_flags(group: Flags) -> None:
    group.add_argument("--dim", type=int, default=128, help="width of an embedding (default: %(default)s)")
    group.add_argument(
        "--regularization", type=float, default=1e-3, metavar="LAMBDA", help="lambda (default: %(default)s)"
    )
    group.add_argument(
        "--unobserved-weight",
        type=float,
        default=1e-3,
        metavar="ALPHA",
        help="weight alpha of every pair, observed or not (default: %(default)s)",
    )
    group.add_argument(
        "--regularization-exponent",
        type=float,
        default=1.0,
        metavar="NU",
        help="lambda of a row is LAMBDA (n + ALPHA N)^NU; 0: the same for all (default: %(default)s)",
    )
    group.add_argument(
        "--init-stddev",
        type=float,
        default=3e-3,
        metavar="S",
        help="deviation of the initial embeddings; a small one lets the first half-step find the directions that many "
        "links share, and converges sooner (default: %(default)s)",
    )
    group.add_argument("--seed", type=int, default=0, help="of the initial embeddings (default: %(default)s)")


def add_solver_flags(group: Flags) -> None:
    group.add_argument(
        "--linear-solver",
        choices=LINEAR_SOLVER_CHOICES,
        default="auto",
        help="how a row's linear system is solved; auto goes by backend, dim and row lengths (default: %(default)s)",
    )
    group.add_argument(
        "--cg-steps", type=int, default=3, metavar="N", help="steps of a CG solver a half-step (default: %(default)s)"
    )
    group.add_argument(
        "--tolerance", type=float, metavar="T", help="run a CG solver to this relative residual, not a fixed number"
    )
    group.add_argument(
        "--kernel",
        choices=KERNELS,
        default="auto",
        help="what solves rows with few-step matrix_free_cg: XLA, a native kernel by Numba, or one by Pallas; auto is "
        "native on CPUs and pallas on GPUs (default: %(default)s)",
    )
    group.add_argument(
        "--fold-in-regularization",
        choices=FOLD_IN_REGULARIZATIONS,
        default="training",
        help="lambda of test rows: as in training, or plain as in the original (default: %(default)s)",
    )
    group.add_argument(
        "--fold-in-solver",
        choices=LINEAR_SOLVERS,
        default="matrix_free_cg",
        help="how test rows are solved; a CG solver runs to a relative residual of 1e-5 (default: %(default)s)",
    )
    group.add_argument(
        "--table-dtype", choices=TABLE_DTYPES, default="float32", help="format of the tables (default: %(default)s)"
    )


def _add_evaluate(commands: Commands) -> None:
    parser = add_command(
        commands,
        "evaluate",
        "recall of a trained run beside the baselines",
        "Restores the last checkpoint of a run, folds the test rows in, and prints the recall table.",
    )
    parser.add_argument("run", metavar="RUN", help="the --output of `alx train`")
    parser.add_argument("data", metavar="DATA", help=f"the data it was trained on: {DATA_HELP}")
    parser.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    _add_evaluation_flags(parser)
    add_data_flags(parser)


def _add_evaluation_flags(group: Flags) -> None:
    group.add_argument(
        "--evaluate-on",
        choices=("test", "validation"),
        default="test",
        help="validation holds a hashed tenth of the train rows out and leaves the test rows alone, for tuning "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--max-test-rows", type=int, metavar="N", help="evaluate on so many rows at most, evenly spaced (default: all)"
    )


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data and devices")
    group.add_argument(
        "--split-seed", type=int, default=0, help="of the held-out rows, for data without a split (default: 0)"
    )
    group.add_argument(
        "--test-fraction",
        type=float,
        default=0.1,
        metavar="F",
        help="held-out share of the rows, for data without a split (default: %(default)s)",
    )
    group.add_argument(
        "--devices", type=int, metavar="N", help="use N devices of each process (default: all; on a CPU one a core)"
    )
