"""The whole job on an input that it makes itself: crawl -> graphs -> `tfds build` -> ALS -> recall.

Every step is a command that a user would type; it is shown before it runs.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from webgraph.graph_directory import GraphDirectory
from webgraph.variants import VARIANTS, variant_folder

REPOSITORY = Path(__file__).resolve().parents[1]
TRAINED = "sparse"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder, replaced (default: demo)")
    parser.add_argument("--pages", type=int, default=4000, help="pages of the made crawl (default: 4000)")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of training (default: 8)")
    parser.add_argument("--short", action="store_true", help="2,000 pages, one variant through TFDS, few epochs")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.pages, arguments.epochs = 2000, 4
    console, start = Console(), time.perf_counter()
    output = Path(os.path.relpath(arguments.output.resolve(), REPOSITORY))
    os.chdir(REPOSITORY)  # where `tfds build webgraph` finds the dataset
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    configs = ["in-dense"] if arguments.short else list(VARIANTS)

    _run(console, "webgraph", "synthetic", output / "crawl", "--pages", arguments.pages, "--seed", 1)
    _run(console, "webgraph", "build", f"{output}/crawl/wat/*.gz", "--output", output / "graphs")
    _run(console, "webgraph", "verify", output / "graphs" / TRAINED)
    for config in configs:
        words = ["tfds", "build", "webgraph", "--config", config, "--manual_dir", output / "graphs"]
        _run(console, *words, "--data_dir", output / "tfds", quiet=True)
    train = [
        "alx",
        "train",
        output / "graphs" / TRAINED,
        "--output",
        output / "run",
        "--dim",
        64,
        "--unobserved-weight",
        1e-2,
    ]
    _run(console, *train, "--epochs", arguments.epochs, "--evaluate-every", 2)

    _print_variants(console, output)
    _print_recall(console, output / "run" / "summary.json")
    console.print(f"\ncrawl   {output}/crawl    WARC, WAT and the true graph\n"
                  f"graphs  {output}/graphs   one folder a variant: Parquet, TFRecords, manifest\n"
                  f"tfds    {output}/tfds     tfds.load('webgraph/in-dense', data_dir='{output}/tfds')\n"
                  f"run     {output}/run      checkpoint, metrics.jsonl, summary.json", highlight=False)  # fmt: skip
    console.print(f"\nDone in {time.perf_counter() - start:.0f} s.", highlight=False)
    return 0


def _run(console: Console, *words: object, quiet: bool = False) -> None:
    """Runs a command of this environment; its output is kept back if `quiet`, unless it fails."""
    command = [str(word) for word in words]
    console.print(f"\n[bold]$ {shlex.join(command)}[/bold]", highlight=False)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command[0] = str(Path(sys.executable).parent / command[0])
    result = subprocess.run(command, env=environment, capture_output=quiet, text=True, check=False)
    if result.returncode:
        if quiet:
            console.print(result.stdout + result.stderr, markup=False, highlight=False)
        raise SystemExit(f"{command[0]} ended with exit code {result.returncode}.")


def _print_variants(console: Console, output: Path) -> None:
    table = Table(title="Variants", title_justify="left")
    table.add_column("variant", no_wrap=True)
    for name in ("nodes", "edges", "train rows", "train_t rows", "test rows"):
        table.add_column(name, justify="right")
    for name, variant in VARIANTS.items():
        graph = GraphDirectory.open(output / "graphs" / variant_folder(variant)).manifest.graph
        rows = (graph.splits[split].rows for split in ("train", "train_t", "test"))
        table.add_row(name, *(f"{number:,}" for number in (graph.num_nodes, graph.num_edges, *rows)))
    console.print(table)


def _print_recall(console: Console, summary: Path) -> None:
    content = json.loads(summary.read_text())
    table = Table(title=f"Recall, {content['dataset']}, epoch {content['epochs']}", title_justify="left")
    table.add_column("model")
    metrics = list(next(iter(content["means"].values())))
    for metric in metrics:
        table.add_column(metric, justify="right")
    for model, means in content["means"].items():
        table.add_row(model, *(f"{means[metric]:.4f}" for metric in metrics))
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
