"""Spark MLlib's ALS (implicit feedback) through `pyspark`, in local mode on all cores.

`fit` cannot go on from given factors, and starts with shuffling the entries into blocks. So an epoch is what a fit of
three iterations takes longer than one of one iteration, halved.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from alx_solver.bench.timing import timed
from alx_solver.csr import CsrMatrix
from alx_solver.host_devices import num_cores

_MEMORY = "6g"


def spark_epoch(matrix: CsrMatrix, dim: int) -> Callable[[], float]:
    """Seconds of an epoch by two fits a call.

    Raises:
      ImportError: pyspark is not installed.
    """
    from pyspark.ml.recommendation import ALS

    entries = _entries(matrix)

    def fit(iterations: int) -> float:
        als = ALS(
            rank=dim,
            maxIter=iterations,
            implicitPrefs=True,
            alpha=1001.0,
            regParam=1e-3,
            seed=0,
            numUserBlocks=num_cores(),
            numItemBlocks=num_cores(),
            userCol="row",
            itemCol="col",
            ratingCol="weight",
        )
        return timed(lambda: als.fit(entries))

    return lambda: -(fit(1) - fit(3)) / 2


def _entries(matrix: CsrMatrix) -> Any:
    """The entries as a cached data frame."""
    import pandas
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{num_cores()}]")
        .config("spark.driver.memory", _MEMORY)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    rows = np.repeat(np.arange(matrix.num_rows, dtype=np.int32), matrix.row_lengths)
    weights = matrix.to_scipy().data.astype(np.float32)
    frame = session.createDataFrame(
        pandas.DataFrame({"row": rows, "col": matrix.indices.astype(np.int32), "weight": weights})
    ).cache()
    frame.count()
    return frame
