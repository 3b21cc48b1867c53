"""The sentence for a package that is not installed names what works in a checkout, and from an index."""

import pytest

from webgraph.missing_extra import missing_extra


def test_a_package_that_is_not_installed():
    error = ModuleNotFoundError("No module named 'jax.numpy'", name="jax.numpy")
    assert missing_extra("alx train", "solver", error) == (
        "alx train needs the package jax, which is not installed; run: pip install '.[solver]' in a checkout, or "
        "pip install 'alx-webgraph[solver]' from an index that has it"
    )


@pytest.mark.parametrize("error", [ImportError("Numba needs NumPy 2.4\nor less"), ModuleNotFoundError("odd")])
def test_a_package_that_is_there_and_cannot_be_imported(error):
    message = missing_extra("it", "solver", error)
    assert message.startswith(f"it needs a package that cannot be imported ({' '.join(str(error).split())}); run: ")
