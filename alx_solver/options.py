"""What a training run may be told: small frozen dataclasses, one per concern, validated when made.

Units: `regularization` (lambda) and `unobserved_weight` (alpha) are those of the objective in `docs/als.md`;
`regularization_exponent` is the exponent on the scale (n_r + alpha N) of lambda, see `regularization.py`. Numbers of
NumPy are taken and kept as plain ones (`webgraph/option_values.py`); a value of another type raises ValueError.
"""

import dataclasses
import math

from webgraph.option_values import make_plain

LINEAR_SOLVERS = ("cholesky", "lu", "qr", "conjugate_gradient", "matrix_free_cg", "subspace")
LINEAR_SOLVER_CHOICES = ("auto", *LINEAR_SOLVERS)
KERNELS = ("auto", "xla", "native", "pallas")
EXCHANGES = ("auto", "table", "routed", "partial", "original")
TABLE_DTYPES = ("float32", "bfloat16")
SOLVE_PRECISIONS = ("default", "high", "highest")
FOLD_IN_REGULARIZATIONS = ("training", "plain")


_MAX_FLOAT32 = (2 - 2**-23) * 2.0**127
MAX_DIM = 1 << 16
"""A gramian of such a width takes 16 GiB; XLA ends the process where a size does not fit its integers."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    _require(value in choices, f"unknown {what} {value!r}; valid: {', '.join(choices)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The model: what is minimised, and from where.

    Attributes:
        dim: width d of an embedding, from 1 to `MAX_DIM`.
        regularization: lambda, at least 0.
        unobserved_weight: alpha, weight of every (row, col) pair, observed or not; at least 0.
        regularization_exponent: exponent on (n_r + alpha N); 1 is ALX's scale, 0 gives the same lambda to every row.
        init_stddev: standard deviation of the initial embeddings. A small start lets the first half-step find the
            directions that many entries share: with 1 / sqrt(dim) the same recall takes several epochs more.
        seed: of the initial embeddings; there is no default on purpose.

    Raises:
        ValueError: a value outside its range.
    """

    dim: int = 128
    regularization: float
    unobserved_weight: float
    regularization_exponent: float = 1.0
    init_stddev: float = 3e-3
    seed: int

    def __post_init__(self) -> None:
        make_plain(self)
        _require(self.dim >= 1, f"dim must be at least 1, got {self.dim}")
        _require(self.dim <= MAX_DIM, f"dim must be at most {MAX_DIM}, got {self.dim}")
        for name in ("regularization", "unobserved_weight", "regularization_exponent"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value >= 0, f"{name} must be finite and not negative, got {value}")
            _require(value <= _MAX_FLOAT32, f"{name} must be at most {_MAX_FLOAT32:g}, as float32 is, got {value}")
        stddev = self.init_stddev
        _require(math.isfinite(stddev) and stddev > 0, f"init_stddev must be positive, got {stddev}")
        _require(0 <= self.seed < 2**32, f"seed must be in [0, 2**32), got {self.seed}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SolverOptions:
    """How the linear system of a row is solved.

    Attributes:
        linear_solver: one of `LINEAR_SOLVERS`, or "auto": by backend, `dim` and row lengths
            (`linear_solvers/automatic.py`).
        cg_steps: steps of a CG solver, or sweeps of `subspace`, in a half-step when `tolerance` is None.
        tolerance: if given, a CG solver runs until every row's |b - A x| <= tolerance |b|.
        max_cg_steps: bound on the steps of a CG solver that runs to a tolerance.
        fold_in_solver: the solver of `AlsTrainer.fold_in`; an iterative one there runs to `fold_in.TOLERANCE`.
        fold_in_regularization: "training" (the same lambda_r) or "plain" (lambda alone, as the original does).
        subspace_block: dimensions that `subspace` solves at a time.
        kernel: one of `KERNELS`: what solves rows with few-step matrix-free CG; "auto" is "native" on CPUs and "pallas"
            on GPUs (`linear_solvers/row_kernels.py`).

    Raises:
        ValueError: an unknown name (with the valid ones), a number outside its range, or a kernel for another solver
            than few-step matrix-free CG.
    """

    linear_solver: str = "auto"
    cg_steps: int = 3
    tolerance: float | None = None
    max_cg_steps: int = 1000
    fold_in_solver: str = "matrix_free_cg"
    fold_in_regularization: str = "training"
    subspace_block: int = 16
    kernel: str = "auto"

    def __post_init__(self) -> None:
        make_plain(self)
        _require_choice("linear_solver", self.linear_solver, LINEAR_SOLVER_CHOICES)
        _require_choice("fold_in_solver", self.fold_in_solver, LINEAR_SOLVERS)
        _require_choice("fold_in_regularization", self.fold_in_regularization, FOLD_IN_REGULARIZATIONS)
        _require_choice("kernel", self.kernel, KERNELS)
        _require(
            self.kernel in ("auto", "xla")
            or (self.linear_solver in ("auto", "matrix_free_cg") and self.tolerance is None),
            f"kernel {self.kernel!r} is matrix_free_cg with a fixed number of steps, not {self.linear_solver!r} with "
            f"tolerance {self.tolerance}: take kernel 'auto' or 'xla'",
        )
        _require(self.cg_steps >= 1, f"cg_steps must be at least 1, got {self.cg_steps}")
        _require(self.subspace_block >= 1, f"subspace_block must be at least 1, got {self.subspace_block}")
        _require(self.max_cg_steps >= 1, f"max_cg_steps must be at least 1, got {self.max_cg_steps}")
        tolerance = self.tolerance
        _require(tolerance is None or 0 < tolerance < 1, f"tolerance must be in (0, 1), got {tolerance}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """How embeddings move between devices, and within which limits; see `docs/exchange.md`.

    Attributes:
        name: one of `EXCHANGES`.
        memory_fraction: embeddings of other devices' columns that a device may hold at once, those on their way
            included, as a fraction of the column table; None means as many as are needed. `routed` and `auto` keep
            to it by solving the rows in stages.
        summed_min_length: rows of at least so many entries move partial sums; None lets the exchange decide (`auto`:
            by the cost model, `partial`: all rows, the others: none).
        plan_cache: folder in which plans are kept by digest of matrix and options; None means none.

    Raises:
        ValueError: an unknown name (with the valid ones), or a number outside its range.
    """

    name: str = "table"
    memory_fraction: float | None = None
    summed_min_length: int | None = None
    plan_cache: str | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        _require_choice("exchange", self.name, EXCHANGES)
        fraction, length = self.memory_fraction, self.summed_min_length
        _require(fraction is None or 0 < fraction <= 1, f"memory_fraction must be in (0, 1], got {fraction}")
        _require(length is None or length >= 1, f"summed_min_length must be at least 1, got {length}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """How much memory batches may take, and where they go beyond it; see `docs/streaming.md`. No number depends on it.

    Attributes:
        batch_memory: bytes of a device for the tiles of both half-steps; more are streamed. None: as many as there are.
        host_memory: bytes of a process for tiles that are streamed; more go to disk. None: as many as there are.
        directory: folder for tiles on disk, of this run alone; None means that they must fit in host memory.

    Raises:
        ValueError: a number below 1.
    """

    batch_memory: int | None = None
    host_memory: int | None = None
    directory: str | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("batch_memory", "host_memory"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be at least 1 byte, got {value}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Precision:
    """Number formats.

    Attributes:
        table: how embeddings are stored and moved, one of `TABLE_DTYPES`; solves are float32 whatever it says.
        solve: precision of the matrix products of gramians and solves, one of `SOLVE_PRECISIONS`. JAX's own
            "default" is TF32 on GPUs and bfloat16 passes on TPUs; on CPUs the three are the same.

    Raises:
        ValueError: an unknown name, with the valid ones.
    """

    table: str = "float32"
    solve: str = "highest"

    def __post_init__(self) -> None:
        make_plain(self)
        _require_choice("table precision", self.table, TABLE_DTYPES)
        _require_choice("solve precision", self.solve, SOLVE_PRECISIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """Shapes of the static batches, see `dense_batching.py`.

    Attributes:
        widths: ascending widths of the whole-row classes, in entries; None picks them from the row lengths.
        num_widths: how many widths are picked when `widths` is None.
        max_width: rows longer than this are cut, when `widths` is None (else the last of `widths` decides).
        tile_entries: entries (rows x width) of a tile; None takes as many as have 1 MiB of float32 embeddings.
        max_tile_rows: bound on the rows of a tile.
        cut_width: width of the dense rows into which long rows are cut, in entries.
        cut_slots: long rows that are solved together.

    Raises:
        ValueError: a number below 1, or widths that do not ascend.
    """

    widths: tuple[int, ...] | None = None
    num_widths: int = 24
    max_width: int = 1024
    tile_entries: int | None = None
    max_tile_rows: int = 512
    cut_width: int = 128
    cut_slots: int = 64

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("num_widths", "max_width", "tile_entries", "max_tile_rows", "cut_width", "cut_slots"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        if self.widths is not None:
            ascending = all(a < b for a, b in zip((0, *self.widths), self.widths, strict=False))
            _require(bool(self.widths) and ascending, f"widths must be positive and ascend, got {self.widths}")
