"""One process of several that train together; arguments: COORDINATOR NUM_PROCESSES PROCESS_ID FOLDER DEVICES.

Trains FOLDER/planted.npz with several exchanges; the first process writes losses and recall to FOLDER/NUM.json, and a
checkpoint of the last.
"""

# ruff: noqa: E402  (JAX must not be imported before the number of devices is set)

import json
import os
import sys
from pathlib import Path

COORDINATOR, NUM, PROCESS, FOLDER, DEVICES = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import argparse

from alx_solver.processes import join_processes

join_processes(
    argparse.Namespace(coordinator=COORDINATOR, num_processes=NUM, process_id=PROCESS)
    if NUM > 1
    else argparse.Namespace()
)

import jax

from alx_solver.checkpoint import restore_checkpoint, save_checkpoint
from alx_solver.datasets import load_dataset
from alx_solver.evaluate import evaluate_model
from alx_solver.options import ExchangeOptions
from tests.alx_solver.problems import make_trainer
from webgraph.split import SplitOptions

CASES = {
    "table": ExchangeOptions(name="table"),
    "auto": ExchangeOptions(name="auto"),
    "partial": ExchangeOptions(name="partial", summed_min_length=14),
}
dataset = load_dataset(f"{FOLDER}/planted.npz", SplitOptions(seed=0, test_fraction=0.1))
matrix = dataset.train.to_scipy()
results = {}
for name, options in CASES.items():
    trainer = make_trainer(matrix, num_devices=8, exchange=options)
    state = trainer.epoch(trainer.epoch(trainer.init()))
    recall = evaluate_model(trainer, state, dataset).means["recall@20"]
    results[name] = {"loss": trainer.objective(state).total, "recall": recall}
save_checkpoint(f"{FOLDER}/checkpoint-{NUM}", trainer, state)
restored = restore_checkpoint(f"{FOLDER}/checkpoint-{NUM}", trainer)
assert restored is not None
results["restored"] = {"loss": trainer.objective(restored).total}
if jax.process_index() == 0:
    Path(FOLDER, f"{NUM}.json").write_text(json.dumps(results))
