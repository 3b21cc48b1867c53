"""The byte counter on programs whose bytes are known by hand, compiled here for 8 devices, and on texts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alx_solver.collective_bytes import UncountableProgram, collective_bytes
from alx_solver.mesh import AXIS, SHARDED, make_mesh

M = 8
SHARD = (64, 4)  # float32: 1024 bytes
RING = [(device, (device + 1) % M) for device in range(M)]


def count(function, num_devices: int = M, dtype=jnp.float32) -> dict[str, float]:
    mesh = make_mesh(jax.devices()[:num_devices])
    sharded = jax.shard_map(function, mesh=mesh, in_specs=SHARDED, out_specs=SHARDED, check_vma=False)
    shape = jax.ShapeDtypeStruct((SHARD[0] * num_devices, SHARD[1]), dtype)
    return collective_bytes(jax.jit(sharded).lower(shape).compile().as_text(), num_devices=num_devices)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: jax.lax.all_gather(x, AXIS, tiled=True), {"all-gather": 8192 * 7 / 8}),
        (lambda x: jax.lax.psum(x, AXIS), {"all-reduce": 2 * 1024 * 7 / 8}),
        (lambda x: jax.lax.ppermute(x, AXIS, RING), {"collective-permute": 1024}),
        (lambda x: jax.lax.ppermute(x, AXIS, RING[:2]), {"collective-permute": 1024}),  # whoever is in it
        (lambda x: jax.lax.psum_scatter(x, AXIS, tiled=True), {"reduce-scatter": 1024 * 7 / 8}),
        (lambda x: jax.lax.all_to_all(x, AXIS, 0, 0, tiled=True), {"all-to-all": 1024 * 7 / 8}),
        (lambda x: x * 2, {}),
    ],
    ids=["all-gather", "all-reduce", "permute", "part-of-a-permute", "reduce-scatter", "all-to-all", "none"],
)
def test_one_collective(function, expected):
    assert count(function) == pytest.approx(expected)


@pytest.mark.parametrize(("dtype", "size"), [(jnp.uint16, 2), (jnp.uint8, 1), (jnp.int32, 4), (jnp.float32, 4)])
def test_element_types(dtype, size):
    assert count(lambda x: jax.lax.ppermute(x, AXIS, RING), dtype=dtype) == {"collective-permute": 256 * size}


@pytest.mark.parametrize("num_devices", [1, 2, 4])
def test_the_group_decides(num_devices):
    expected = 2 * 1024 * (num_devices - 1) / num_devices
    assert sum(count(lambda x: jax.lax.psum(x, AXIS), num_devices).values()) == pytest.approx(expected)


def test_collectives_in_nested_loops_are_multiplied():
    def function(x):
        def inner(_, y):
            return jax.lax.ppermute(y, AXIS, RING)

        def outer(_, y):
            return jax.lax.psum(jax.lax.fori_loop(0, 3, inner, y), AXIS)

        return jax.lax.fori_loop(0, 5, outer, x)

    assert count(function) == pytest.approx({"collective-permute": 15 * 1024, "all-reduce": 5 * 2 * 1024 * 7 / 8})


def test_different_collectives_are_told_apart_and_added():
    def function(x):
        twice = jax.lax.ppermute(jax.lax.ppermute(x, AXIS, RING), AXIS, RING[:3])
        return twice + jax.lax.psum(x * 3, AXIS)

    assert count(function) == pytest.approx({"collective-permute": 2048, "all-reduce": 2 * 1024 * 7 / 8})


def test_the_dearest_branch_is_counted():
    def function(x):
        return jax.lax.cond(jnp.sum(x[0]) > jax.lax.axis_size(AXIS), lambda y: jax.lax.psum(y, AXIS), lambda y: y, x)

    assert count(function) == pytest.approx({"all-reduce": 2 * 1024 * 7 / 8})


def test_a_loop_of_unknown_length_counts_only_without_collectives():
    def harmless(x):
        return jax.lax.while_loop(lambda y: jnp.sum(y) < 10, lambda y: y * 2 + 1, x)

    def guess(x):
        return jax.lax.while_loop(lambda y: jnp.sum(y) < 10, lambda y: jax.lax.psum(y, AXIS) + 1, x)

    assert count(harmless) == {}
    with pytest.raises(UncountableProgram, match="a loop with all-reduce has no known trip count"):
        count(guess)


TEXT = """HloModule m
%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %s = f32[] add(%a, %b)
}
%wrapped (p: bf16[10,4]) -> bf16[40,4] {
  ROOT %g = bf16[40,4]{1,0} all-gather(%p), replica_groups=[2,4]<=[8], dimensions={0}
}
ENTRY %main (p: bf16[10,4], q: f32[6]) -> bf16[40,4] {
  %ags = (bf16[10,4]{1,0}, bf16[40,4]{1,0}) all-gather-start(%p), replica_groups={{0,1,2,3},{4,5,6,7}}, dimensions={0}
  %agd = bf16[40,4]{1,0} all-gather-done(%ags)
  %cps = (f32[6]{0}, f32[6]{0}, u32[], u32[]) collective-permute-start(%q), source_target_pairs={{0,1}}
  %cpd = f32[6]{0} collective-permute-done(%cps)
  %ar = (f32[6]{0}, f32[2]{0}) all-reduce(%q, %q), replica_groups={}, to_apply=%add
  %as = ((bf16[10,4]{1,0}), bf16[40,4]{1,0}) async-start(%p), calls=%wrapped
  ROOT %ad = bf16[40,4]{1,0} async-done(%as), calls=%wrapped
}
"""


def test_asynchronous_forms_of_accelerators():
    """Starts count, dones do not; the operand beside the result does not; groups of 4 of 8, both ways of writing."""
    counted = collective_bytes(TEXT, num_devices=8)
    assert counted == pytest.approx(
        {"all-gather": 2 * 320 * 3 / 4, "collective-permute": 24, "all-reduce": 2 * 32 * 7 / 8}
    )


def test_text_that_is_no_program_raises():
    with pytest.raises(UncountableProgram, match="no ENTRY"):
        collective_bytes(str(np.arange(3)), num_devices=8)
