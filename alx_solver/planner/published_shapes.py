"""The published variants as shapes to plan for.

The published row counts do not fit the node counts everywhere ("sparse": 372.0M train rows and 39.9M test rows are
411.9M, of 365.4M nodes), so rows and columns are the largest figure given: nodes, train and test rows, or rows of
`train_t`.
"""

from alx_solver.planner.shape_load import ProblemShape
from webgraph.variants import PUBLISHED


def published_shape(name: str) -> ProblemShape:
    """Rows, columns and entries of a published variant.

    Raises:
        ValueError: no such variant; the message lists them.
    """
    if name not in PUBLISHED:
        raise ValueError(
            f"unknown variant {name!r}; valid: {', '.join(PUBLISHED)}; or give --rows, --cols and --entries"
        )
    counts = PUBLISHED[name]
    nodes = max(counts.nodes, counts.train + counts.test, counts.train_t)
    return ProblemShape(name=name, rows=nodes, cols=nodes, entries=counts.edges)
