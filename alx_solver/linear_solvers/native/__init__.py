"""Few-step CG on CPUs in machine code by Numba. Only `row_kernels.py` imports this, where Numba is installed."""
