"""ALX: sharded alternating least squares for implicit feedback, in JAX.

Start at `als.AlsTrainer`. Files that only use NumPy (`csr`, `options`, `ownership`, `widths`, `dense_batching`,
`regularization`) import no JAX, so this package imports none either.
"""
