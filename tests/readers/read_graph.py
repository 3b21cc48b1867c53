"""Reads the tables of a graph directory with one Parquet reader, and prints them as JSON: `READER FOLDER`.

It runs in environments that hold other versions of the readers than this project's own, so it imports nothing else.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Columns = dict[str, list[Any]]
TABLES = ("train", "train_t", "test", "nodes")


def _read_pyarrow(path: Path) -> Columns:
    import pyarrow.parquet

    columns: Columns = pyarrow.parquet.read_table(path).to_pydict()
    return columns


def _read_pandas(path: Path) -> Columns:
    import pandas

    return _lists(pandas.read_parquet(path, engine="pyarrow"))


def _read_fastparquet(path: Path) -> Columns:
    import fastparquet

    return _lists(fastparquet.ParquetFile(str(path)).to_pandas())


def _read_polars(path: Path) -> Columns:
    import polars

    columns: Columns = polars.read_parquet(path).to_dict(as_series=False)
    return columns


def _read_duckdb(path: Path) -> Columns:
    import duckdb

    result = duckdb.execute("SELECT * FROM read_parquet(?)", [str(path)])
    names = [column[0] for column in result.description]
    rows = result.fetchall()
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _lists(table: Any) -> Columns:
    return {name: [_plain(value) for value in table[name]] for name in table.columns}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


READERS: dict[str, Callable[[Path], Columns]] = {
    "duckdb": _read_duckdb,
    "fastparquet": _read_fastparquet,
    "pandas": _read_pandas,
    "polars": _read_polars,
    "pyarrow": _read_pyarrow,
}


def main() -> None:
    """Prints {table: {column: values}}, the parts of a table one after the other."""
    read, folder = READERS[sys.argv[1]], Path(sys.argv[2])
    tables: dict[str, Columns] = {}
    for name in TABLES:
        columns = tables.setdefault(name, {})
        for path in sorted(folder.glob(f"{name}-*.parquet")):
            for column, values in read(path).items():
                columns.setdefault(column, []).extend(values)
    json.dump(tables, sys.stdout)


if __name__ == "__main__":
    main()
