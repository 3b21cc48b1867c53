"""Archives to graph directories: `python -m beam_pipelines.build_graph INPUT... --output DIR`.

Three stages, run by an engine, meet in files under OUTPUT/.work (`build_work`):

  archives --parse--> parsed/ --filter--> round-0/ [--filter again--> round-1/ ...] --write--> graphs/

The graph directories get their final names last, when all of them are whole.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rich.console import Console

from beam_pipelines import storage
from beam_pipelines.build_report import BuildReport
from beam_pipelines.build_stages import BuildStages
from beam_pipelines.build_work import BuildWork
from beam_pipelines.damage import BuildError, check_damage
from beam_pipelines.engine import Engine
from beam_pipelines.inputs import InputError, expand_inputs
from beam_pipelines.local_engine import LocalEngine, max_bytes_per_partition
from beam_pipelines.open_archive import archive_sizes, archive_state
from beam_pipelines.options import BuildOptions
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions
from beam_pipelines.partitioning import choose_num_partitions
from beam_pipelines.progress import StageProgress
from beam_pipelines.storage import join
from webgraph.manifest import MANIFEST_FILE, Manifest, parse_manifest
from webgraph.variants import variant_folder

WORK_FOLDER = ".work"


def build(
    inputs: Sequence[str],
    output: str,
    *,
    options: BuildOptions = BuildOptions(),  # noqa: B008  # frozen
    beam_args: Sequence[str] = (),
    input_base: str | None = None,
    console: Console | None = None,
    when_done: Callable[[], None] = lambda: None,
) -> BuildReport:
    """Builds all variants from one pass over the archives.

    Args:
      inputs: files, URLs, globs or manifests of paths; WAT, WARC and ARC, told apart by content.
      output: folder in which each variant gets a folder of its own.
      options: what to build; see `BuildOptions`.
      beam_args: options of Beam, such as `--runner=DataflowRunner`; the run is then one of Beam's, by default in this
        process. Without any, this machine's cores run it, within `options.machine`.
      input_base: what relative paths in a manifest stand under.
      console: where progress is shown if it is a terminal; nowhere by default.
      when_done: called when all graphs have their names and nothing is left to go on with.

    Returns:
      What was read and written. The same input gives the same bytes, whatever runner, workers or order.

    Raises:
      InputError: the inputs cannot be listed, or an option is wrong.
      BuildError: too much of the input is damaged, there is no page in it, or a graph directory is in the way.
    """
    if storage.is_local(output):
        _check_place(output)
    if not beam_args and not storage.is_local(output):
        raise InputError(f"{output} is not on this machine; name a runner of Beam, such as --runner=DataflowRunner.")
    if beam_args:
        from beam_pipelines.runner import pipeline_options

        pipeline_options(beam_args)  # to refuse wrong ones before anything is done
    paths = expand_inputs(list(inputs), base=input_base, retry=options.inputs.listing)
    try:
        with storage.only_one(output):
            return _Build(output, options, beam_args, console or Console(quiet=True)).run(paths, when_done)
    except BlockingIOError:
        raise BuildError(f"Another build is writing to {output}; wait for it, or choose another --output.") from None


class _Build:
    def __init__(self, output: str, options: BuildOptions, beam_args: Sequence[str], console: Console) -> None:
        self._options = options
        self._beam_args = beam_args
        self._console = console
        self._names = [variant_folder(variant) for variant in options.graph.variants]
        self._folders = [join(output, name) for name in self._names]
        self._work = BuildWork(join(output, WORK_FOLDER))

    def run(self, paths: Sequence[str], when_done: Callable[[], None]) -> BuildReport:
        if not self._work.is_publishing:
            _check_free(self._folders, self._options.output.overwrite)
        states = {path: archive_state(path) for path in paths}
        sizes = archive_sizes(paths, self._options.inputs.retry)
        planned = self._options.partitioning.num_partitions or self._work.num_partitions_of(states)
        limit = None if self._beam_args else max_bytes_per_partition(self._options.machine)
        chosen = choose_num_partitions(sum(sizes.values()), max_bytes_per_partition=limit)
        options = self._parse_options(planned or chosen)
        self._check_memory(sum(sizes.values()))
        self._work.begin(states, options, self._options.as_json())
        if not self._work.is_publishing:
            _check_free(self._folders, self._options.output.overwrite)
            with self._engine() as engine:
                self._make_graphs(engine, sizes, options)
            _check_free(self._folders, self._options.output.overwrite)
            self._remove_elsewhere()
            self._work.begin_publishing()
        for name, folder in zip(self._names, self._folders, strict=True):
            source = join(self._work.folder, "graphs", name)
            _publish(source, folder, join(self._work.folder, "replaced", name))
        manifests = tuple(map(_read_manifest, self._folders))
        archives = tuple(ArchiveReport(**archive) for archive in manifests[0].inputs)
        self._work.remove(when_done)
        return BuildReport(archives=archives, folders=tuple(self._folders), manifests=manifests)

    def _parse_options(self, num_partitions: int) -> ParseOptions:
        return ParseOptions(
            selection=self._options.graph.selection,
            tlds_of_variants=tuple(variant.tlds for variant in self._options.graph.variants),
            num_partitions=num_partitions,
            key_bits=self._options.partitioning.key_bits,
            limits=self._options.limits,
        )

    def _remove_elsewhere(self) -> None:
        """Removes graphs that are to be replaced and are on an object store, where nothing can be moved aside whole."""
        for folder in self._folders:
            if not storage.is_local(folder) and storage.folder_exists(folder):
                storage.remove_files([join(folder, MANIFEST_FILE)])
                storage.remove_folder(folder)

    def _check_memory(self, total_bytes: int) -> None:
        if self._beam_args:
            from beam_pipelines.beam_engine import check_memory

            check_memory(self._beam_args, total_bytes, self._options.machine.memory)

    @contextlib.contextmanager
    def _engine(self) -> Iterator[Engine]:
        if self._beam_args:
            from beam_pipelines.beam_engine import BeamEngine

            yield BeamEngine(self._work.folder, self._beam_args)
            return
        with contextlib.closing(LocalEngine(self._work.folder, self._options.machine)) as engine:
            yield engine

    def _make_graphs(self, engine: Engine, sizes: Mapping[str, int], options: ParseOptions) -> None:
        stages = BuildStages(self._work, self._options, engine, StageProgress(self._console))
        archives = stages.parse(sizes, options)
        check_damage(archives, self._options.tolerance)
        filtered = stages.filter(list(sizes), options.num_partitions)
        stages.write(filtered, archives, options.num_partitions)


def _read_manifest(folder: str) -> Manifest:
    path = join(folder, MANIFEST_FILE)
    return parse_manifest(storage.read_file(path), path)


def _publish(source: str, folder: str, aside: str) -> None:
    """Gives a finished graph its final name, if it has not got it; what stands there is moved aside whole before."""
    if not storage.folder_exists(source):
        return
    _remove_unnamed(source)
    if storage.is_local(folder) and os.path.exists(folder):
        os.makedirs(os.path.dirname(aside), exist_ok=True)
        os.replace(folder, aside)
    storage.publish_folder(source, folder, last=MANIFEST_FILE)


def _remove_unnamed(folder: str) -> None:
    """Removes what a graph's manifest does not name: reports of parts, and files that a killed worker left half."""
    names = {MANIFEST_FILE, *(file.name for file in _read_manifest(folder).files)}
    paths = storage.list_files(folder, "*")
    storage.remove_files([path for path in paths if path.rpartition("/")[2] not in names])


def _check_place(output: str) -> None:
    """Refuses an output that cannot be a folder.

    Raises:
      InputError: it, or what it is to lie in, is a file, or a link to what is not there; or it has no name.
    """
    if not output:
        raise InputError("The output has no name; name a folder, which is made if it is not there.")
    place = output
    while place and not os.path.lexists(place):
        place = os.path.dirname(place.rstrip("/"))
    if place and not os.path.isdir(place):
        what = "a file" if os.path.exists(place) else "a link to what is not there"
        where = f"The output {output} is" if place == output else f"The output {output} would lie in {place}, which is"
        raise InputError(f"{where} {what}; name a folder, which is made if it is not there.")


def _check_free(folders: Iterable[str], overwrite: bool) -> None:
    for folder in folders:
        if storage.folder_exists(folder) and not overwrite:
            raise BuildError(f"{folder} exists; choose another --output, or give --overwrite to replace it.")


if __name__ == "__main__":
    from beam_pipelines.cli import main

    raise SystemExit(main())
