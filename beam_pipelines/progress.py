"""Progress of a build, read off the files that its stages write: it works for every runner, and costs the run nothing.

Bars are shown on a terminal only.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from beam_pipelines.parsed_files import REPORT_SUFFIX, parsed_name
from beam_pipelines.storage import list_files, read_json

_POLL_SECONDS = 0.5

Poll = Callable[[Progress, TaskID], None]


class StageProgress:
    """Shows bars while stages run. `console` decides whether anything is seen."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def parsing(self, folder: str, sizes: Mapping[str, int]) -> Iterator[None]:
        """A bar over the bytes of the archives, `sizes` by path, whose reports appear in `folder`."""
        pending = {parsed_name(path): size for path, size in sizes.items()}
        totals = {"files": 0, "bytes": 0, "links": 0}

        def poll(progress: Progress, task: TaskID) -> None:
            for path in list_files(folder, f"*{REPORT_SUFFIX}"):
                name = path.rpartition("/")[2].removesuffix(REPORT_SUFFIX)
                size = pending.pop(name, None)
                if size is not None:
                    totals["files"] += 1
                    totals["bytes"] += size
                    totals["links"] += read_json(path)["counts"].get("links_in", 0)
                    progress.advance(task, size)
            seconds = max(progress.tasks[task].elapsed or 0, 1e-9)
            progress.update(
                task,
                detail=f"{totals['files']}/{len(sizes)} files, {decimal(totals['bytes'])}, "
                f"{totals['links'] / seconds:,.0f} links/s",
            )

        with self._watching("Parsing archives", sum(sizes.values()), poll):
            yield

    @contextmanager
    def counting(self, label: str, files: tuple[str, str], total: int | None, unit: str) -> Iterator[None]:
        """A bar over `files`: a folder, and a glob pattern in it."""

        def poll(progress: Progress, task: TaskID) -> None:
            done = len(list_files(*files))
            progress.update(task, completed=done, detail=f"{done}/{total or '?'} {unit}")

        with self._watching(label, total, poll):
            yield

    @contextmanager
    def _watching(self, label: str, total: int | None, poll: Poll) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"))
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self._console) as progress:
            task = progress.add_task(label, total=total, detail="")
            stop = threading.Event()

            def watch() -> None:
                while not stop.wait(_POLL_SECONDS):
                    with suppress(OSError):
                        poll(progress, task)

            thread = threading.Thread(target=watch, daemon=True)
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()
                with suppress(OSError):  # the bar must not fail a build that is done
                    poll(progress, task)
