"""Archives to graph directories: `python -m beam_pipelines.build_graph INPUT... --output DIR`.

Three stages, each a Beam pipeline, meet in files under OUTPUT/.work:

  archives --ParseArchives--> parsed/ --FilterPages--> round-0/ [--FilterAgain--> round-1/ ...] --WriteGraphs--> graphs/

The graph directories get their final names last, when all of them are whole.
"""

import os
from collections.abc import Iterable, Sequence

from apache_beam.io.filesystems import FileSystems
from rich.console import Console

from beam_pipelines import storage
from beam_pipelines.build_report import BuildReport
from beam_pipelines.build_stages import BuildStages
from beam_pipelines.damage import BuildError, check_damage
from beam_pipelines.inputs import expand_inputs
from beam_pipelines.options import BuildOptions
from beam_pipelines.progress import StageProgress
from beam_pipelines.runner import pipeline_options
from beam_pipelines.storage import join
from webgraph.manifest import MANIFEST_FILE
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
) -> BuildReport:
    """Builds all variants from one pass over the archives.

    Args:
      inputs: files, URLs, globs or manifests of paths; WAT, WARC and ARC, told apart by content.
      output: folder in which each variant gets a folder of its own.
      options: what to build; see `BuildOptions`.
      beam_args: options of Beam, such as `--runner=DataflowRunner`; local in this process by default.
      input_base: what relative paths in a manifest stand under.
      console: where progress is shown if it is a terminal; nowhere by default.

    Returns:
      What was read and written. The same input gives the same bytes, whatever runner, workers or order.

    Raises:
      InputError: the inputs cannot be listed, or an option is wrong.
      BuildError: too much of the input is damaged, there is no page in it, or a graph directory is in the way.
    """
    pipeline_options(beam_args)  # to refuse wrong ones before anything is done
    paths = expand_inputs(list(inputs), base=input_base, retry=options.inputs.retry)
    try:
        with storage.only_one(output):
            return _build(paths, output, options, beam_args, console or Console(quiet=True))
    except BlockingIOError:
        raise BuildError(f"Another build is writing to {output}; wait for it, or choose another --output.") from None


def _build(
    paths: Sequence[str], output: str, options: BuildOptions, beam_args: Sequence[str], console: Console
) -> BuildReport:
    names = [variant_folder(variant) for variant in options.graph.variants]
    folders = [join(output, name) for name in names]
    _check_free(folders, options.output.overwrite)
    work = join(output, WORK_FOLDER)
    storage.remove_folder(work)
    try:
        stages = BuildStages(work, options, beam_args, StageProgress(console))
        archives = stages.parse(paths)
        check_damage(archives, options.tolerance)
        manifests = stages.write(stages.filter(paths), archives)
        _check_free(folders, options.output.overwrite)
        for name, folder in zip(names, folders, strict=True):
            _replace(join(work, "graphs", name), folder, join(work, "replaced", name))
    finally:
        storage.remove_folder(work)
    return BuildReport(archives=tuple(archives), folders=tuple(folders), manifests=tuple(manifests))


def _replace(source: str, folder: str, aside: str) -> None:
    """Gives a finished graph its final name; what stands there is first moved aside whole, or loses its manifest."""
    if storage.folder_exists(folder):
        if storage.is_local(folder):
            os.makedirs(os.path.dirname(aside), exist_ok=True)
            os.replace(folder, aside)
        else:
            FileSystems.delete([join(folder, MANIFEST_FILE)])
            storage.remove_folder(folder)
    storage.publish_folder(source, folder, last=MANIFEST_FILE)


def _check_free(folders: Iterable[str], overwrite: bool) -> None:
    for folder in folders:
        if storage.folder_exists(folder) and not overwrite:
            raise BuildError(f"{folder} exists; choose another --output, or give --overwrite to replace it.")


if __name__ == "__main__":
    from beam_pipelines.cli import main

    raise SystemExit(main())
