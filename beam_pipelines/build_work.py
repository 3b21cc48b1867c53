"""`OUTPUT/.work`: what a build has done so far, so that the next run of the same build goes on there.

  plan.json      what the files here were made from
  parsed/        a file of blocks and a report for each archive
  round-N/       partitions after round N of the degree rule
  spills/        what the local engine's stages give each other
  graphs/        graph directories in the making
  STAGE.done     marks of finished stages, with their files (`stage_marks`)
  publish        the mark that all graphs are whole and are getting their final names

Parsed archives are kept as long as they are parsed alike, by the same code; everything later only while no archive and
no option changes, and while every file that a finished stage left is whole.
"""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beam_pipelines import storage
from beam_pipelines.code_identity import code_identity
from beam_pipelines.keyed_file import is_whole
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.parsed_files import BLOCKS_SUFFIX, REPORT_SUFFIX, parsed_name
from beam_pipelines.stage_marks import has_sizes, is_as_marked, write_mark
from beam_pipelines.storage import join
from webgraph.canonical_url import CANONICALIZER
from webgraph.manifest import MANIFEST_FILE

_log = logging.getLogger(__name__)
_PLAN = "plan.json"
_PUBLISH = "publish"
_PARSED = "parsed"
_GRAPHS = "graphs"
_SPILLS = "spills"
SPILL_MARK = "done"
"""The mark of a stage of the local engine, in the folder of what it gave out."""


class BuildWork:
    """The work folder of a build.

    Args:
      folder: where it is, or is to be.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @property
    def parsed(self) -> str:
        return join(self.folder, _PARSED)

    def num_partitions_of(self, archives: Mapping[str, Sequence[int]]) -> int | None:
        """The number of partitions that was chosen for the same archives before; sizes of remote ones are estimates."""
        plan = self._plan()
        if plan is None or plan["archives"] != {path: list(state) for path, state in archives.items()}:
            return None
        return int(plan["parse"]["num_partitions"])

    def begin(self, archives: Mapping[str, Sequence[int]], options: ParseOptions, graph: Any) -> None:
        """Keeps what is here as far as it was made from the same, and removes the rest.

        Args:
          archives: for each path what tells its content from another: size, and time of change where it is known.
          options: how archives are parsed.
          graph: what else decides what the graphs are, as JSON.
        """
        parse = {"code": code_identity(), "canonicalizer": CANONICALIZER, **dataclasses.asdict(options)}
        plan = json.loads(json.dumps({"parse": parse, "graph": graph, "archives": archives}))
        before = self._plan()
        if before is None or before["parse"] != plan["parse"]:
            storage.remove_folder(self.folder)
        elif before != plan:
            changed = [path for path, state in before["archives"].items() if plan["archives"].get(path) != state]
            for path in changed:
                self._forget(path)
            self._remove_all_but(_PLAN, _PARSED)
        elif not self._is_whole():
            _log.warning("%s: files of finished stages are cut or missing; they are made again", self.folder)
            self._remove_all_but(_PLAN, _PARSED)
        for folder in (self.folder, self.parsed):
            storage.make_folder(folder)
        if before != plan:
            storage.write_json(join(self.folder, _PLAN), plan)

    def unparsed(self, paths: Sequence[str]) -> list[str]:
        """Those of the archives that are still to be parsed: not done, or failed, if nothing was made without them."""
        is_settled = storage.folder_exists(join(self.folder, "round-0"))
        is_used = storage.exists(join(self.folder, "round-0.done"))
        found = {path.rpartition("/")[2] for path in storage.list_files(self.parsed, f"*{REPORT_SUFFIX}")}
        missing = []
        for path in paths:
            name = parsed_name(path) + REPORT_SUFFIX
            if name not in found:
                missing.append(path)
            elif self._is_to_be_parsed_again(path, is_settled=is_settled, is_used=is_used):
                self._forget(path)
                missing.append(path)
        if len(missing) < len(paths):
            _log.info("parse: %d of %d archives parsed before", len(paths) - len(missing), len(paths))
        return missing

    def _is_to_be_parsed_again(self, path: str, *, is_settled: bool, is_used: bool) -> bool:
        """Whether what is there of an archive is not whole, as after a power cut, or it failed and may be retried."""
        name = join(self.parsed, parsed_name(path))
        try:
            failure = storage.read_json(name + REPORT_SUFFIX)["failure"]
        except ValueError:  # half a report
            return True
        if failure:
            return not is_settled
        return not is_used and storage.is_local(name) and not is_whole(name + BLOCKS_SUFFIX)

    def once(self, stage: str, run: Callable[[], None]) -> None:
        """Runs a stage unless it is done."""
        mark = join(self.folder, f"{stage}.done")
        if storage.exists(mark):
            _log.info("%s: done before", stage)
            return
        run()
        write_mark(mark, join(self.folder, stage))

    @property
    def is_publishing(self) -> bool:
        """Whether all graphs are whole, and some may have their final names."""
        return storage.exists(join(self.folder, _PUBLISH))

    def begin_publishing(self) -> None:
        storage.write_file(join(self.folder, _PUBLISH), b"")

    def remove(self, when_done: Callable[[], None] = lambda: None) -> None:
        """Removes the folder, the mark of publishing last: until it is gone, the next run only finishes removing.

        `when_done` is called just before.
        """
        self._remove_all_but(_PLAN, _PUBLISH)
        when_done()
        if storage.is_local(self.folder):
            storage.remove(join(self.folder, _PUBLISH))
        storage.remove_folder(self.folder)

    def _is_whole(self) -> bool:
        """Whether what finished stages left is as they left it; on an object store, where files come whole, it is."""
        if not storage.is_local(self.folder):
            return True
        if self.is_publishing:  # some graphs may have their final names, and others be without the reports of parts
            return all(map(_is_whole_graph, storage.list_folder(join(self.folder, _GRAPHS))))
        marks = storage.list_files(self.folder, "*.done")
        spills = storage.list_folder(join(self.folder, _SPILLS))
        marked = [(mark, mark.removesuffix(".done")) for mark in marks]
        marked += [(join(spill, SPILL_MARK), spill) for spill in spills if storage.exists(join(spill, SPILL_MARK))]
        return all(is_as_marked(mark, folder) for mark, folder in marked)

    def _plan(self) -> Any:
        """What the files here were made from; None where that is not known."""
        path = join(self.folder, _PLAN)
        if not storage.exists(path):
            return None
        try:
            plan = storage.read_json(path)
        except ValueError:
            return None
        return plan if isinstance(plan, dict) and {"parse", "graph", "archives"} <= plan.keys() else None

    def _forget(self, path: str) -> None:
        for suffix in (REPORT_SUFFIX, BLOCKS_SUFFIX):
            file = join(self.parsed, parsed_name(path)) + suffix
            if storage.exists(file):
                storage.remove_files([file])

    def _remove_all_but(self, *names: str) -> None:
        for path in storage.list_folder(self.folder):
            if path.rstrip("/").rpartition("/")[2] not in names:
                storage.remove(path)


def _is_whole_graph(folder: str) -> bool:
    """Whether a graph directory has all files that its manifest names, with their lengths."""
    try:
        files = storage.read_json(join(folder, MANIFEST_FILE))["files"]
        return has_sizes(folder, {file["name"]: file["bytes"] for file in files})
    except (OSError, ValueError, KeyError, TypeError):
        return False
