"""A plan as people see it."""

from rich.console import Console
from rich.table import Table

from alx_solver.linear_solvers.row_kernels import kernel_of
from alx_solver.planner.training_plan import TrainingPlan


def print_plan(console: Console, plan: TrainingPlan) -> None:
    """What is planned, a table of memory, bytes and seconds, and whether it fits."""
    options, device = plan.options, plan.options.device
    rows, cols, entries = plan.shape
    _line(console, f"{plan.name}: {rows:,} rows x {cols:,} columns, {entries:,} entries")
    _line(
        console,
        f"{options.count} x {device.name}, d = {options.dim}, {options.precision.table} tables, "
        f"{options.solver.linear_solver} (kernel {kernel_of(options.linear_solver)}), {exchange_of(plan)}",
    )
    shown = Table(show_header=True)
    shown.add_column("a device")
    shown.add_column("amount", justify="right")
    for name, size in (
        ("tables", plan.memory.tables),
        ("batches", plan.memory.batches),
        ("lambda of each row", plan.memory.others),
        ("workspace", plan.memory.workspace),
        ("memory", plan.memory.total),
    ):
        shown.add_row(name, readable_bytes(size))
    shown.add_row("memory, batches streamed", readable_bytes(plan.memory.without_batches), end_section=True)
    for name, moved in plan.moved_bytes.items():
        shown.add_row(f"{name}, sent an epoch", readable_bytes(moved))
    shown.add_row("sent an epoch", readable_bytes(plan.total_bytes), end_section=True)
    for name, seconds in plan.seconds.items():
        shown.add_row(f"{name}, an epoch", f"{seconds:.4g} s")
    shown.add_row("predicted, an epoch", f"{plan.total_seconds:.4g} s", end_section=True)
    for name, seconds in plan.roofline.items():
        shown.add_row(f"limit by {name}", f"{seconds:.4g} s")
    console.print(shown)
    _line(console, _known(plan))
    _line(console, "fits" if plan.fits else "does not fit")


def exchange_of(plan: TrainingPlan) -> str:
    """The ways of exchange of the two half-steps, in words."""
    ways = []
    for load in plan.loads:
        stages = f" in {load.num_stages} stages" if load.num_stages > 1 else ""
        ways.append(" and ".join(load.moved_bytes) + stages)
    return "one device, no exchange" if plan.options.count == 1 else f"exchange {' / '.join(dict.fromkeys(ways))}"


def readable_bytes(size: float) -> str:
    """In GB, MB or kB of a thousand."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:,.2f} {unit}"
    return f"{size / 1e3:,.2f} kB"


def _known(plan: TrainingPlan) -> str:
    costs = "measured here" if plan.options.costs else "from published peaks and assumed efficiency, not measured"
    if plan.exact:
        return f"Counts and bytes are the trainer's own plan; seconds {costs}."
    return f"Counts and bytes are a model of the shape (padding, distinct remote columns); seconds {costs}."


def _line(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
