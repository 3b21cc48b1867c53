"""Archives to graph directories: `python -m beam_pipelines.build_graph INPUT... --output DIR`.

Three stages, each a Beam pipeline, meet in files under OUTPUT/.work:

  archives --ParseArchives--> parsed/ --FilterPages--> round-0/ [--FilterAgain--> round-1/ ...] --WriteGraphs--> graphs/

The graph directories get their final names last, when all of them are whole.
"""

from collections.abc import Iterable, Sequence

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
      inputs: files, globs or manifests of paths; WAT, WARC and ARC, told apart by content.
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
    paths = expand_inputs(list(inputs), base=input_base)
    folders = [join(output, variant_folder(variant)) for variant in options.graph.variants]
    _check_free(folders, options.output.overwrite)
    work = join(output, WORK_FOLDER)
    storage.remove_folder(work)
    stages = BuildStages(work, options, beam_args, StageProgress(console or Console(quiet=True)))
    archives = stages.parse(paths)
    check_damage(archives, options.tolerance)
    filtered = stages.filter(paths)
    manifests = stages.write(filtered, archives)
    for variant, folder in zip(options.graph.variants, folders, strict=True):
        storage.remove_folder(folder)
        storage.publish_folder(join(work, "graphs", variant_folder(variant)), folder, last=MANIFEST_FILE)
    storage.remove_folder(work)
    return BuildReport(archives=tuple(archives), folders=tuple(folders), manifests=tuple(manifests))


def _check_free(folders: Iterable[str], overwrite: bool) -> None:
    for folder in folders:
        if storage.exists(folder) and not overwrite:
            raise BuildError(f"{folder} exists; choose another --output, or give --overwrite to replace it.")


if __name__ == "__main__":
    from beam_pipelines.cli import main

    raise SystemExit(main())
