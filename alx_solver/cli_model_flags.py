"""The flags of `alx recommend`, `alx similar` and `alx export`. Imports neither JAX nor NumPy."""

import argparse

from alx_solver.cli_flags import Commands, add_command

_RUN = "the --output of `alx train`, or a folder of ALS.save"
_GRAPH = "the graph directory it was trained on"


def add_recommend(commands: Commands) -> None:
    """Adds `alx recommend`."""
    parser = add_command(
        commands,
        "recommend",
        "predicted outlinks of a page, with their URLs",
        "Folds a page in from its known outlinks and prints the pages it should link to, without the known ones. Of a\n"
        "test page the history is used, and what is found of its ground truth is marked.",
    )
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument("graph", metavar="GRAPH", help=_GRAPH)
    _add_page(parser)
    parser.add_argument(
        "--outlinks", nargs="+", metavar="URL", help="of a page that is not in the graph (or instead of its own)"
    )
    _add_output(parser)


def add_similar(commands: Commands) -> None:
    """Adds `alx similar`."""
    parser = add_command(
        commands,
        "similar",
        "pages like a page, with their URLs",
        "Finds the pages of the greatest cosine of embeddings.",
    )
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument("graph", metavar="GRAPH", help=_GRAPH)
    _add_page(parser)
    parser.add_argument(
        "--axis",
        choices=("col", "row"),
        default="col",
        help="col: linked to by the same pages; row: linking to the same pages (default: %(default)s)",
    )
    _add_output(parser)


def add_export(commands: Commands) -> None:
    """Adds `alx export`."""
    parser = add_command(
        commands,
        "export",
        "embeddings as NumPy or Parquet files",
        "Writes row_table and col_table of the last checkpoint, float32, in order of id, and export.json beside them.\n"
        "npy: a file a table, row i is id i. parquet: id, url (with --graph), embedding; a file every so many rows.",
    )
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument("output", metavar="DIR", help="folder that is made")
    parser.add_argument("--format", choices=("npy", "parquet"), default="npy", help="default: %(default)s")
    parser.add_argument("--axes", nargs="+", choices=("row", "col"), default=["row", "col"], help="default: both")
    parser.add_argument("--graph", metavar="GRAPH", help=f"{_GRAPH}: adds URLs to Parquet")
    parser.add_argument(
        "--rows-per-file", type=int, default=1 << 20, metavar="N", help="of Parquet (default: %(default)s)"
    )
    _add_devices(parser)


MODEL_COMMANDS = (add_recommend, add_similar, add_export)


def _add_page(parser: argparse.ArgumentParser) -> None:
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--url", metavar="URL", help="of the page; brought into canonical form")
    page.add_argument("--id", type=int, metavar="N", help="node id of the page, for graphs without URLs")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", type=int, default=10, help="how many pages (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON and no table")
    _add_devices(parser)


def _add_devices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="use N devices (default: %(default)s)")
