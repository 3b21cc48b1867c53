"""lambda_r = lambda (n_r + alpha N)^exponent: the one rule for training, fold-in and the objective.

n_r is the number of entries of the row, N the number of columns, alpha the weight of unobserved pairs. With
exponent 1 it is ALX's scale (arXiv 2112.02194, code; Rendle et al., "iALS++", arXiv 2110.14044, eq. 8); 0 gives
plain lambda, implicit's. The original scales in training but folds in with the plain lambda; here plain is an option.
"""

from typing import Any, NamedTuple

from alx_solver.options import Hyperparameters


class RegularizationRule(NamedTuple):
    """The rule for the rows of one axis; a pytree of numbers, so that a compiled half-step serves every lambda.

    Attributes:
        regularization: lambda.
        unobserved_weight: alpha.
        exponent: on the scale; 0 is plain lambda.
        num_cols: N, size of the other axis.
    """

    regularization: Any
    unobserved_weight: Any
    exponent: Any
    num_cols: Any

    @classmethod
    def of(cls, hyperparameters: Hyperparameters, num_cols: int, *, plain: bool = False) -> "RegularizationRule":
        """The rule of a model for rows over `num_cols` columns; `plain` leaves the scale out."""
        return cls(
            regularization=hyperparameters.regularization,
            unobserved_weight=hyperparameters.unobserved_weight,
            exponent=0.0 if plain else hyperparameters.regularization_exponent,
            num_cols=float(num_cols),
        )

    def __call__(self, row_lengths: Any) -> Any:
        """lambda_r of rows with these numbers of entries.

        Args:
            row_lengths: NumPy or JAX floating array of any shape; the result has its type and shape.
        """
        return self.regularization * (row_lengths + self.unobserved_weight * self.num_cols) ** self.exponent
