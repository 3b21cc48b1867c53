"""Why numbers may have become NaN or Inf in a training, in words: what is most likely first, with a remedy."""

from alx_solver.csr import CsrMatrix
from alx_solver.options import Hyperparameters, Precision

_LARGE = 1e6
"""Few-step CG multiplies three confidences of a row with each other; a float32 holds the product of three of 1e12, and
embeddings that are not near 1 take the rest."""


def likely_causes(matrix: CsrMatrix, hyperparameters: Hyperparameters, precision: Precision, linear_solver: str) -> str:
    """The rest of a sentence after "Likely causes: "."""
    confidence = 1.0 if matrix.values is None else float(matrix.values.max(initial=0))
    if confidence >= _LARGE:
        return (
            f"confidences of up to {confidence:g}, whose products are more than float32 holds: divide all of them by "
            "one number, so that they come near 1"
        )
    large = [name for name in ("regularization", "unobserved_weight") if getattr(hyperparameters, name) >= _LARGE]
    if large:
        values = " and ".join(f"{name} ({getattr(hyperparameters, name):g})" for name in large)
        return f"{values}, whose products are more than float32 holds: confidences are near 1, so lower it"
    return (
        f"regularization ({hyperparameters.regularization:g}) or unobserved_weight "
        f"({hyperparameters.unobserved_weight:g}) too small for {precision.table} tables and the "
        f"{linear_solver} solver; a start that is too large (init_stddev {hyperparameters.init_stddev:g}); a lowered "
        "solve precision"
    )
