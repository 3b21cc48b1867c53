"""The console script `webgraph`: its subcommands are found by entry point, so that packages can bring their own.

Each entry of the group `webgraph.commands` names a function `add_command(subparsers)`, which adds a parser and sets
its default `func`: a function of the parsed arguments that returns the exit code. With `takes_other_arguments=True`
it gets arguments that its parser does not know as `other_arguments`.

Exit codes: 0 all is well; 1 the command ran and found something wrong; 2 it could not run (usage, bad input); 128 and
the number of the signal that ended it (130 SIGINT, 143 SIGTERM, 129 SIGHUP, 131 SIGQUIT).

Only `stop_signals` is imported at the top, so that signals are minded before anything else is imported.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from webgraph import stop_signals

if TYPE_CHECKING:
    import argparse

GROUP = "webgraph.commands"
EXIT_OK, EXIT_FOUND, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
GOES_ON = "; run the same command again to go on where it stopped"

_DESCRIPTION = "Builds, verifies and describes WebGraph link-prediction datasets made from Common Crawl archives."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that `arguments` (default: the process's) name, and returns its exit code.

    Without `arguments` the process is the command, and a signal ends it here (`stop_signals`).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    name, advice = _name_and_advice(words)
    if arguments is None:
        stop_signals.begin(name, advice)
    try:
        return stop_signals.run(lambda: _run(words))
    except KeyboardInterrupt:
        sys.stderr.write(stop_signals.sentence(name, stop_signals.SIGNALS[0], advice))
        return EXIT_INTERRUPTED


def _name_and_advice(words: Sequence[str]) -> tuple[str, str]:
    """How the sentence about a signal begins and ends."""
    command = words[0] if words and not words[0].startswith("-") else ""
    goes_on = command == "build" or any(word.startswith("--fetch") for word in words)
    return f"webgraph {command}".rstrip(), GOES_ON if goes_on else ""


def _run(words: Sequence[str]) -> int:
    from webgraph.numpy_sort import avoid_slow_sorts

    avoid_slow_sorts()
    parser = make_parser(words[0] if words else None)
    parsed, others = parser.parse_known_args(words)
    parsed.other_arguments = others
    if others and not getattr(parsed, "takes_other_arguments", False):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    if parsed.command is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        code: int = parsed.func(parsed)
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except (ValueError, OSError) as error:
        if stop_signals.is_stopping():
            return EXIT_INTERRUPTED
        from rich.console import Console

        Console(stderr=True).print(f"webgraph {parsed.command}: {error}", style="red", markup=False, highlight=False)
        return EXIT_USAGE


def make_parser(command: str | None = None) -> "argparse.ArgumentParser":
    """The parser with all installed commands, or only `command` if there is one of that name, for a quick start."""
    import argparse
    import importlib.metadata

    from webgraph import __version__

    parser = argparse.ArgumentParser(prog="webgraph", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"webgraph {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    entries = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    for entry in [entry for entry in entries if entry.name == command] or entries:
        try:
            add_command = entry.load()
        except ImportError as error:
            _add_missing(subparsers, entry.name, error)
        else:
            add_command(subparsers)
    return parser


def _add_missing(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, error: ImportError
) -> None:
    """Stands in for a command whose packages are not installed."""
    from webgraph.missing_extra import missing_extra

    extra = "pipeline" if name in ("build", "crawl") else "all"
    message = missing_extra(f"the command {name!r}", extra, error)

    def refuse(arguments: "argparse.Namespace") -> int:
        raise ValueError(message)

    parser = subparsers.add_parser(name, help=f"(needs the extra {extra!r})", prefix_chars="\0", add_help=False)
    parser.add_argument("rest", nargs="*")
    parser.set_defaults(func=refuse)


if __name__ == "__main__":
    sys.exit(main())
