"""The flags of `alx plan`. Imports neither JAX nor NumPy."""

from alx_solver.cli_flags import DATA_HELP, Commands, add_command
from alx_solver.options import EXCHANGES, LINEAR_SOLVERS, TABLE_DTYPES


def add_plan(commands: Commands) -> None:
    """Adds `alx plan`."""
    parser = add_command(
        commands,
        "plan",
        "memory, bytes and seconds that a training will take, and whether it fits",
        "Says what training takes on a device: memory of tables, batches and workspace, bytes exchanged and seconds\n"
        "an epoch, and whether it fits. Of DATA it makes the trainer's own plan, so that bytes are exact; of\n"
        "--variant, or of --rows, --cols and --entries, it models what is not known, and says so. Exit code 1 if it\n"
        "does not fit.",
    )
    parser.add_argument("data", metavar="DATA", nargs="?", help=DATA_HELP)
    shape = parser.add_argument_group("a shape, where there is no data yet")
    shape.add_argument("--variant", metavar="NAME", help="a published variant: sparse, dense, de-sparse, ...")
    for flag in ("--rows", "--cols", "--entries"):
        shape.add_argument(flag, type=float, metavar="N", help="of the train matrix; 3e10 is a number too")
    shape.add_argument(
        "--remote-share",
        type=float,
        metavar="F",
        help="of a device's entries, those in columns of other devices (default: (M - 1) / M, no locality)",
    )
    device = parser.add_argument_group("device")
    device.add_argument(
        "--device",
        default="cpu",
        metavar="NAME",
        help="h200, a100, tpu-v3 (a core), tpu-v4, tpu-v5e, tpu-v5p; cpu or here: what JAX has here, measured; or a "
        "JSON file (default: %(default)s)",
    )
    device.add_argument("--count", type=int, default=1, metavar="M", help="devices (default: %(default)s)")
    for flag, text in (
        ("--memory", "bytes of a device's memory"),
        ("--memory-bandwidth", "bytes a second"),
        ("--flops", "float32 operations a second"),
        ("--link-bandwidth", "bytes a second that a device sends"),
        ("--efficiency", "share of these peaks that is reached"),
    ):
        device.add_argument(flag, type=float, metavar="X", help=f"{text}, in place of the profile's")
    model = parser.add_argument_group("model")
    model.add_argument("--dim", type=int, default=128, help="width of an embedding (default: %(default)s)")
    model.add_argument("--table-dtype", choices=TABLE_DTYPES, default="bfloat16", help="default: %(default)s")
    model.add_argument("--linear-solver", choices=LINEAR_SOLVERS, default="matrix_free_cg", help="default: %(default)s")
    model.add_argument("--cg-steps", type=int, default=3, metavar="N", help="default: %(default)s")
    model.add_argument("--exchange", choices=EXCHANGES, default="auto", help="default: %(default)s")
    model.add_argument("--exchange-memory", type=float, metavar="F", help="as in alx train")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--split-seed", type=int, default=0, help="of the held-out rows, for data without a split")
    parser.add_argument(
        "--test-fraction", type=float, default=0.1, metavar="F", help="of the rows (default: %(default)s)"
    )
    parser.set_defaults(devices=None)
