"""`webgraph build`, also `python -m beam_pipelines.build_graph`: flags to options, errors to one sentence."""

import argparse
import errno
import logging
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from beam_pipelines.build_graph import WORK_FOLDER, build
from beam_pipelines.build_report import print_archives, print_report
from beam_pipelines.crawl_cli import add_connections
from beam_pipelines.crawl_paths import DEFAULT_BASE, CrawlOptions, list_crawl
from beam_pipelines.damage import BuildError
from beam_pipelines.input_options import InputOptions
from beam_pipelines.inputs import InputError
from beam_pipelines.machine import MachineOptions, parse_size
from beam_pipelines.options import BuildOptions, GraphOptions, OutputOptions, Partitioning, Tolerance
from beam_pipelines.record_limits import RecordLimits
from beam_pipelines.storage import folder_exists, join
from beam_pipelines.task_pool import WorkerEndedError
from webgraph import stop_signals
from webgraph.cli import EXIT_INTERRUPTED, GOES_ON
from webgraph.link_keys import KEY_BITS, PageKeyCollisionError
from webgraph.link_selection import LinkSelection
from webgraph.split import SplitOptions
from webgraph.variants import VARIANTS, parse_variant

_DESCRIPTION = """\
Builds WebGraph graph directories from Common Crawl archives (WAT, WARC, ARC; told apart by content).

All variants come from one pass. Each gets a folder in --output with Parquet tables, the published TFRecords and
a manifest; a folder with a manifest is complete. The same input gives the same bytes on every runner."""

_EPILOG = """\
The cores of this machine run the build, within --max-memory, with what does not fit on disk under OUTPUT/.work. A
build that was stopped goes on there when the same command is given again. Every other option goes to Apache Beam,
which then runs the build:
  --runner=DirectRunner                                              in this process and in memory
  --runner=FlinkRunner --flink_master=HOST:PORT ...
  --runner=DataflowRunner --project=... --region=... --temp_location=gs://...

Exit codes: 0 done; 1 the run failed (damaged input beyond what is allowed, output in the way, disk full); 2 wrong
usage; 130 stopped by SIGINT (Ctrl-C), 143 by SIGTERM, 129 by SIGHUP, 131 by SIGQUIT."""

_REMEDIES = {
    code: ". Free some space, or choose another --output." for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
}
_REMEDIES |= {code: ". Choose an --output that can be written to." for code in (errno.EROFS, errno.EACCES, errno.EPERM)}
_MODULE_NAME = "python -m beam_pipelines.build_graph"


def add_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Registers `build` with the `webgraph` command."""
    parser = subparsers.add_parser("build", help="archives to graph directories")
    _add_arguments(parser)
    parser.set_defaults(func=run, takes_other_arguments=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m beam_pipelines.build_graph`."""
    if argv is None:
        stop_signals.begin(_MODULE_NAME, GOES_ON)
    parser = argparse.ArgumentParser(prog=_MODULE_NAME)
    _add_arguments(parser)
    arguments, beam_args = parser.parse_known_args(argv)
    arguments.other_arguments = beam_args
    try:
        return stop_signals.run(lambda: run(arguments))
    except KeyboardInterrupt:
        sys.stderr.write(stop_signals.sentence(_MODULE_NAME, stop_signals.SIGNALS[0], GOES_ON))
        return EXIT_INTERRUPTED


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    parser.add_argument(
        "input", nargs="*", help="archives, globs, or manifests of paths (wat.paths, .gz too); URLs too"
    )
    parser.add_argument("--output", required=True, help="folder for the graph directories")
    parser.add_argument("--input-base", help="what relative paths in a manifest stand under (its own folder)")
    parser.add_argument("--overwrite", action="store_true", help="replace graph directories that exist")
    _add_crawl(parser.add_argument_group("a crawl of Common Crawl, in place of input"))
    graph = parser.add_argument_group("graphs")
    graph.add_argument(
        "--variants",
        default=",".join(VARIANTS),
        help="comma-separated names, or NAME=TLD[+TLD...]:K definitions, * for the whole web (default: %(default)s)",
    )
    graph.add_argument("--until-stable", action="store_true", help="repeat the degree rule to the K-core")
    graph.add_argument("--all-links", action="store_true", help="take images, forms, frames too, not only hyperlinks")
    graph.add_argument("--drop-nofollow", action="store_true", help="leave out rel=nofollow, ugc and sponsored links")
    graph.add_argument("--seed", type=int, default=0, help="of the split into train and test rows (default: 0)")
    graph.add_argument("--test-fraction", type=float, default=0.1, help="share of rows in test (default: 0.1)")
    graph.add_argument(
        "--tfrecord-shards", type=_shards, default=None, metavar="N|none", help="TFRecord files a split (as published)"
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-bad-fraction", type=float, default=0.01, help="bytes skipped of bytes read that fail a run (0.01)"
    )
    limits.add_argument(
        "--max-failed-fraction", type=float, default=0.0, help="failed files of files that fail a run (0)"
    )
    limits.add_argument("--max-memory", type=_size, help="bytes of all processes together (half of this machine's)")
    limits.add_argument("--num-workers", type=int, help="processes on this machine (one a core)")
    limits.add_argument("--num-partitions", type=int, help="parts that pages are spread over (by input size)")
    limits.add_argument("--key-bits", type=int, default=KEY_BITS, help=argparse.SUPPRESS)
    _add_record_limits(parser.add_argument_group("limits of one record, each counted when it is hit (docs/limits.md)"))


_RECORD_LIMITS = {
    "max_record_bytes": "of a record, decompressed",
    "max_header_bytes": "of the headers of a record, or of an HTTP message",
    "max_ratio": "decompressed bytes for a compressed one, beyond 16 MiB",
    "max_nesting": "compressions of an archive, or content encodings of a body",
    "max_json_bytes": "of a WAT record",
    "max_json_depth": "of a WAT record, at most 1000",
    "max_body_bytes": "of an HTML page; the rest is cut off",
    "max_links": "of a page; the rest is dropped",
    "max_url_length": "characters of a link as written, of a page's URL and of its base",
    "max_seconds": "of processor time",
    "max_parser_bytes": "of memory for parsing one HTML page",
}


def _add_record_limits(group: "argparse._ArgumentGroup") -> None:
    defaults = RecordLimits()
    for name, meaning in _RECORD_LIMITS.items():
        default = getattr(defaults, name)
        kind = _size if name.endswith("_bytes") else type(default)
        group.add_argument(
            f"--{name.replace('_', '-')}", type=kind, default=default, metavar="N", help=f"{meaning} ({default})"
        )


def _add_crawl(crawl: "argparse._ArgumentGroup") -> None:
    crawl.add_argument("--crawl", metavar="NAME", help="all WAT files of a crawl; CC-MAIN-2021-25 is the published one")
    crawl.add_argument("--crawl-base", default=DEFAULT_BASE, metavar="URL", help="where crawls lie (%(default)s)")
    crawl.add_argument("--limit", type=int, metavar="N", help="its first N files")
    crawl.add_argument("--sample-seed", type=int, metavar="S", help="N files at random instead, the same ones for S")
    add_connections(crawl)


def _inputs(arguments: argparse.Namespace, options: BuildOptions) -> list[str]:
    """The inputs as given, or the files of the crawl.

    Raises:
      InputError: both were given, or neither, or the crawl cannot be listed.
    """
    if bool(arguments.input) == bool(arguments.crawl):
        raise InputError("Give either archives (files, globs, manifests, URLs) or --crawl NAME.")
    if arguments.crawl is None:
        if arguments.limit is not None or arguments.sample_seed is not None:
            raise InputError("--limit and --sample-seed choose files of a --crawl; name fewer archives instead.")
        return list(arguments.input)
    try:
        crawl = CrawlOptions(
            name=arguments.crawl,
            base=arguments.crawl_base,
            limit=arguments.limit,
            sample_seed=arguments.sample_seed,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return list_crawl(crawl, options.inputs.listing)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _shards(text: str) -> int:
    return 0 if text == "none" else int(text)


def _options(arguments: argparse.Namespace) -> BuildOptions:
    return BuildOptions(
        graph=GraphOptions(
            variants=tuple(parse_variant(text) for text in arguments.variants.split(",")),
            until_stable=arguments.until_stable,
            selection=LinkSelection(all_paths=arguments.all_links, drop_nofollow=arguments.drop_nofollow),
            split=SplitOptions(seed=arguments.seed, test_fraction=arguments.test_fraction),
        ),
        output=OutputOptions(tfrecord_shards=arguments.tfrecord_shards, overwrite=arguments.overwrite),
        tolerance=Tolerance(
            max_bad_fraction=arguments.max_bad_fraction, max_failed_fraction=arguments.max_failed_fraction
        ),
        partitioning=Partitioning(num_partitions=arguments.num_partitions, key_bits=arguments.key_bits),
        inputs=InputOptions.with_retries(arguments.retries, max_connections=arguments.max_connections),
        machine=MachineOptions(num_workers=arguments.num_workers, max_memory=arguments.max_memory),
        limits=RecordLimits(**{name: getattr(arguments, name) for name in _RECORD_LIMITS}),
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs a build from parsed flags and returns the exit code."""
    errors = Console(stderr=True)
    _log_to(errors)
    try:
        options = _options(arguments)
    except ValueError as error:
        return _fail(errors, error, 2)
    try:
        report = build(
            _inputs(arguments, options),
            arguments.output,
            options=options,
            beam_args=arguments.other_arguments,
            input_base=arguments.input_base,
            console=errors,
            when_done=stop_signals.complete,
        )
    except InputError as error:
        return _fail(errors, error, 2)
    except WorkerEndedError as error:
        return _fail(errors, error, 1)
    except BuildError as error:
        if error.archives:
            print_archives(error.archives, errors)
        _say_what_is_kept(arguments.output, errors)
        return _fail(errors, error, 1)
    except OSError as error:
        logging.getLogger(__name__).debug("the run failed", exc_info=error)
        _say_what_is_kept(arguments.output, errors)
        return _fail(errors, f"{error}{_REMEDIES.get(error.errno or 0, '')}", 1)
    except (PageKeyCollisionError, RuntimeError) as error:  # RuntimeError: from a worker elsewhere
        logging.getLogger(__name__).debug("the run failed", exc_info=error)
        _say_what_is_kept(arguments.output, errors)
        return _fail(errors, error, 1)
    print_report(report, Console())
    return 0


def _say_what_is_kept(output: str, console: Console) -> None:
    work = join(output, WORK_FOLDER)
    if folder_exists(work) and not stop_signals.is_stopping():
        console.print(
            f"What is done so far is in {escape(work)}: the same command goes on there; remove it to free the disk.",
            highlight=False,
            soft_wrap=True,
        )


def _log_to(console: Console) -> None:
    """Shows warnings, and what the stages of the build say; on a terminal above the progress bars."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if console.is_terminal:
        handler = RichHandler(console=console, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", handlers=[handler])
    logging.getLogger("beam_pipelines").setLevel(logging.INFO)


def _fail(errors: Console, error: Exception | str, code: int) -> int:
    if not stop_signals.is_stopping():  # else it failed because it was stopped
        errors.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    return code
