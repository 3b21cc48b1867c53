"""Eight CPU devices, set before JAX is imported anywhere; no environment on the machine can change them."""

import os
import sys

assert "jax" not in sys.modules, "jax was imported before the number of devices was set"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
