"""The flags of `alx bench`. Imports neither JAX nor NumPy, so that `--help` is quick."""

import argparse

from alx_solver.cli_flags import DATA_HELP, Commands, add_command, add_data_flags
from alx_solver.options import EXCHANGES, LINEAR_SOLVERS, TABLE_DTYPES

KINDS = {
    "peers": "seconds an epoch beside implicit, Spark MLlib and plain NumPy",
    "solvers": "loss and recall against epochs and seconds, by linear solver",
    "precision": "loss and recall by number format of tables and solves",
    "scaling": "seconds and bytes by number of devices, strong and weak",
    "recall": "the recall table of several graphs, beside baselines",
}
PEER_NAMES = ("implicit", "spark", "numpy")


def add_bench(commands: Commands) -> None:
    parser = add_command(
        commands,
        "bench",
        "benchmarks, each a JSON file and a picture",
        "Benchmarks:\n" + "".join(f"  {name:<10} {what}\n" for name, what in KINDS.items()),
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("data", metavar="DATA", nargs="+", help=f"{DATA_HELP}; several for `recall` alone")
    parser.add_argument("--output", default="bench", metavar="DIR", help="for KIND.json and KIND.png (default: bench)")
    _add_model_flags(parser)
    _add_own_flags(parser)
    add_data_flags(parser)


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--dim", type=int, default=128, help="width of an embedding (default: %(default)s)")
    group.add_argument("--regularization", type=float, default=1e-3, metavar="LAMBDA", help="default: %(default)s")
    group.add_argument("--unobserved-weight", type=float, default=1e-3, metavar="ALPHA", help="default: %(default)s")
    group.add_argument("--seed", type=int, default=0, help="of the initial embeddings (default: %(default)s)")
    group.add_argument("--cg-steps", type=int, default=3, metavar="N", help="of a CG solver (default: %(default)s)")
    group.add_argument("--table-dtype", choices=TABLE_DTYPES, default="float32", help="default: %(default)s")


def _add_own_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of single benchmarks")
    group.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="peers, scaling: counted epochs (default: 5)"
    )
    group.add_argument("--epochs", type=int, default=8, metavar="N", help="solvers, precision, recall (default: 8)")
    group.add_argument(
        "--linear-solvers",
        nargs="+",
        choices=LINEAR_SOLVERS,
        default=["matrix_free_cg", "conjugate_gradient", "subspace"],
        metavar="NAME",
        help=f"peers, solvers: of {', '.join(LINEAR_SOLVERS)} (default: %(default)s)",
    )
    group.add_argument(
        "--peers",
        nargs="*",
        choices=PEER_NAMES,
        default=["implicit"],
        metavar="NAME",
        help=f"peers: of {', '.join(PEER_NAMES)} (default: %(default)s)",
    )
    group.add_argument(
        "--counts", type=int, nargs="+", default=[1, 2, 4, 8], metavar="M", help="scaling: devices (default: 1 2 4 8)"
    )
    group.add_argument(
        "--exchanges",
        nargs="+",
        choices=EXCHANGES,
        default=["auto", "table", "original"],
        metavar="NAME",
        help="scaling: bytes of these, seconds of the first (default: %(default)s)",
    )
