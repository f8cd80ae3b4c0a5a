"""Spark: a session of this machine, that of a master, or one behind Spark Connect.

A window of tasks is a job of Spark, which takes a tenth of a second or more: windows are larger than elsewhere.
"""

from __future__ import annotations

import os
import sys
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from mrl_cli.engines.cluster import START_SECONDS, by_value, silent_stderr, within
from mrl_cli.errors import MachineError
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    import pyarrow as pa

WINDOWS = 16  # so many times as many tasks at a time
QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "OFF",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1",
}


class SparkWorkers:
    """The executors of a Spark application."""

    def __init__(self, jobs: int, address: str | None) -> None:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the first python3 of the PATH
        self._where = f"Spark at {harmless(address)}" if address else "Spark"
        builder: Any = SparkSession.builder.appName("mrl")
        if address is not None and address.startswith("sc://"):
            builder = builder.remote(address)
        else:
            builder = builder.master(address or f"local[{jobs}]")
            for name, value in QUIET.items():
                builder = builder.config(name, value)
            if address is None:
                builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config(
                    "spark.driver.host", "127.0.0.1"
                )
        warnings.filterwarnings("ignore", module="pyspark")  # of versions of pandas
        try:
            with silent_stderr():  # Spark's virtual machine tells how it starts
                self._session: Any = within(START_SECONDS, builder.getOrCreate)
        except Exception as error:
            hint = "is the master running there?" if address else "is there a Java, of 17 or later?"
            raise MachineError(f"{self._where} does not answer", hint=hint) from error
        self.slots = jobs
        if address is not None and not address.startswith("sc://"):
            self.slots = max(1, int(self._session.sparkContext.defaultParallelism))

    def map(self, job: bytes, tasks: Iterable[bytes], ahead: int) -> Generator[bytes]:
        """Yield what tasks come to, in order. Raises MachineError where a job of Spark fails."""
        call = by_value()

        def done(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            for batch in batches:
                found = [call(job, task) for task in batch.column("task").to_pylist()]
                yield pa.RecordBatch.from_pydict({"n": batch.column("n"), "done": pa.array(found, pa.binary())})

        left = iter(tasks)
        while some := list(islice(left, WINDOWS * ahead)):
            rows = [(place, bytearray(task)) for place, task in enumerate(some)]
            frame = self._session.createDataFrame(rows, "n int, task binary").repartition(len(rows), "n")
            try:
                found = frame.mapInArrow(done, "n int, done binary").collect()
            except PySparkException as error:
                reason = harmless(str(error).strip().split("\n", maxsplit=1)[0], 160)
                raise MachineError(f"{self._where} failed: {reason}") from error
            yield from (bytes(row.done) for row in sorted(found, key=lambda row: row.n))

    def close(self) -> None:
        """End the session."""
        self._session.stop()
