"""`webgraph crawl`: lists or fetches the files of a crawl of Common Crawl."""

import argparse
import logging
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from beam_pipelines.crawl_fetch import Fetched, fetch_files
from beam_pipelines.crawl_paths import CRAWL_LIST, DEFAULT_BASE, KINDS, CrawlOptions, list_crawl
from beam_pipelines.input_options import LISTING, InputOptions
from beam_pipelines.storage import is_local, only_one

_DESCRIPTION = f"""\
Lists the files of a Common Crawl crawl, one URL a line, which is a list that `webgraph build` reads; or fetches them.

Crawls are listed at {CRAWL_LIST}. The data are under Common Crawl's terms of use: https://commoncrawl.org/terms-of-use"""

_EPILOG = """\
With --fetch, what is printed are the paths of the files that are whole. A run that was stopped goes on where it was.

Exit codes: 0 all files are listed, or are whole; 1 some failed, each named; 2 wrong usage, or no such crawl."""


def add_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Registers `crawl` with the `webgraph` command."""
    parser = subparsers.add_parser(
        "crawl",
        help="list or fetch the files of a crawl",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help="of the crawl, for example CC-MAIN-2021-25")
    parser.add_argument("--kind", choices=KINDS, default="wat", help="of the files (default: wat)")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N files; all by default")
    parser.add_argument("--sample-seed", type=int, metavar="S", help="N files at random instead, the same ones for S")
    parser.add_argument("--base", default=DEFAULT_BASE, metavar="URL", help="of Common Crawl or a copy (%(default)s)")
    parser.add_argument("--fetch", metavar="DIR", help="fetch the files into DIR")
    add_connections(parser)
    parser.set_defaults(func=run)


def add_connections(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """Adds `--max-connections` and `--retries`."""
    parser.add_argument(
        "--max-connections",
        type=int,
        default=InputOptions().max_connections,
        metavar="N",
        help="files read from elsewhere at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--retries",
        type=int,
        metavar="N",
        help="how often a file elsewhere is asked for again after failures in a row, lists of files too "
        f"(default: archives {InputOptions().retry.max_retries}, lists {LISTING.max_retries}, within seconds)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Lists or fetches, and returns the exit code. ValueError and OSError say what cannot be done."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("beam_pipelines").setLevel(logging.INFO)  # retries, which may take long
    options = CrawlOptions(
        name=arguments.name,
        kind=arguments.kind,
        base=arguments.base,
        limit=arguments.limit,
        sample_seed=arguments.sample_seed,
    )
    inputs = InputOptions.with_retries(arguments.retries, max_connections=arguments.max_connections)
    if arguments.fetch and is_local(options.base):
        raise ValueError(f"--base {options.base} is a folder here already; there is nothing to fetch.")
    urls = list_crawl(options, inputs.listing)
    if not arguments.fetch:
        sys.stdout.writelines(f"{url}\n" for url in urls)
        return 0
    return _fetch(urls, arguments.fetch, inputs)


def _fetch(urls: Sequence[str], folder: str, inputs: InputOptions) -> int:
    errors = Console(stderr=True)
    failed: list[Fetched] = []
    with only_one(folder), _progress(errors) as progress:
        task = progress.add_task("Fetching", total=None, detail="")
        for number, file in enumerate(
            fetch_files(urls, folder, inputs, lambda count: progress.advance(task, count)), 1
        ):
            progress.update(task, detail=f"{number}/{len(urls)} files, {len(failed)} failed")
            if file.failure:
                failed.append(file)
                errors.print(f"{file.failure}: {file.message}", style="red", markup=False, soft_wrap=True)
            else:
                sys.stdout.write(f"{file.path}\n")
    if failed:
        errors.print(f"{len(failed)} of {len(urls)} files failed; run the same command again for these.", style="red")
    return 1 if failed else 0


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"))
    return Progress(
        *columns,
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
