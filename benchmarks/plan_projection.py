"""What would the published variants take on 1 and 8 H200, and on 256 cores of TPU v3? By the planner, not measured.

python benchmarks/plan_projection.py [--output FILE]
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alx_solver.options import Precision
from alx_solver.planner import PROFILES, PlanOptions, plan_shape
from alx_solver.planner.published_shapes import published_shape
from benchmarks.environment import environment
from webgraph.variants import PUBLISHED

DEVICES = (("h200", 1), ("h200", 8), ("tpu-v3", 256))
REMOTE_SHARES = (None, 0.1)
"""No locality, and one entry of ten in another device's columns."""

PUBLISHED_SECONDS = {"sparse on 256 x tpu-v3": 20 * 60}
"""An epoch of the original (arXiv 2112.02194)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--output", default="benchmarks/results/plan_projection.json")
    arguments = parser.parse_args()
    plans = []
    for variant in PUBLISHED:
        for device, count in DEVICES:
            for share in REMOTE_SHARES if count > 1 else (None,):
                shape = dataclasses.replace(published_shape(variant), remote_share=share)
                options = PlanOptions(device=PROFILES[device], count=count, precision=Precision(table="bfloat16"))
                plans.append({"remote_share": share} | plan_shape(shape, options).to_json())
    document = {"environment": environment(), "published_seconds_an_epoch": PUBLISHED_SECONDS, "plans": plans}
    Path(arguments.output).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for plan in plans:
        print(
            f"| {plan['name']} | {plan['count']} x {plan['device']['name']} | {plan['remote_share'] or 'none'} | "
            f"{plan['memory_bytes']['total'] / 1e9:.1f} | {'yes' if plan['fits'] else 'no'} | "
            f"{plan['moved_bytes']['total'] / 1e9:.1f} | {plan['seconds']['total']:.3g} | "
            f"{plan['roofline_seconds']['slowest']:.2g} |"
        )


if __name__ == "__main__":
    main()
