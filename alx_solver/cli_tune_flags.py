"""The flags of `alx tune`. Imports neither JAX nor NumPy."""

from alx_solver.cli_flags import DATA_HELP, Commands, add_command, add_data_flags, add_solver_flags
from alx_solver.tune_options import METRICS, SAMPLERS, TuneOptions

_DEFAULTS = TuneOptions()


def add_tune(commands: Commands) -> None:
    """Adds `alx tune`."""
    parser = add_command(
        commands,
        "tune",
        "find lambda and alpha on validation rows",
        "Trains with several pairs of lambda and alpha and evaluates every epoch on validation rows, which are hashed\n"
        "out of the train rows; test rows take no part. Writes trials.jsonl, heat_map.png and best.json, which\n"
        "`alx train --hyperparameters` takes. A trial stops early where it no longer improves.",
    )
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the tuning")
    parser.add_argument("--resume", action="store_true", help="go on in --output; finished trials are not run again")
    group = parser.add_argument_group("what is tried")
    for flag, name, default in (
        ("--regularizations", "LAMBDA", _DEFAULTS.regularizations),
        ("--unobserved-weights", "ALPHA", _DEFAULTS.unobserved_weights),
    ):
        group.add_argument(
            flag,
            nargs="+",
            type=float,
            default=default,
            metavar=name,
            help="all of the grid, or limits of the other samplers (default: %(default)s)",
        )
    group.add_argument("--sampler", choices=SAMPLERS, default=_DEFAULTS.sampler, help="default: %(default)s")
    for flag, number, text in (
        ("--trials", _DEFAULTS.trials, "pairs of random and optuna"),
        ("--epochs", _DEFAULTS.epochs, "of a trial at most"),
        ("--patience", _DEFAULTS.patience, "stop a trial after so many epochs without a better metric"),
        ("--median-after", _DEFAULTS.median_after, "from this epoch on stop trials below the others' median; 0: never"),
    ):
        group.add_argument(flag, type=int, default=number, metavar="N", help=f"{text} (default: %(default)s)")
    group.add_argument("--metric", choices=METRICS, default=_DEFAULTS.metric, help="default: %(default)s")
    group.add_argument(
        "--validation-fraction", type=float, default=0.1, metavar="F", help="of the train rows (default: %(default)s)"
    )
    group.add_argument("--max-validation-rows", type=int, metavar="N", help="evaluate so many at most, evenly spaced")
    model = parser.add_argument_group("model")
    model.add_argument("--dim", type=int, default=128, help="width of an embedding (default: %(default)s)")
    model.add_argument("--regularization-exponent", type=float, default=1.0, metavar="NU", help="as in alx train")
    model.add_argument("--init-stddev", type=float, default=3e-3, metavar="S", help="as in alx train")
    model.add_argument("--seed", type=int, default=0, help="of initial embeddings and samplers (default: %(default)s)")
    add_solver_flags(parser.add_argument_group("solver"))
    add_data_flags(parser)
