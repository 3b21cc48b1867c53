"""Engines: what runs the stages of a build. A stage goes from files to files; an engine may be Beam or this machine."""

from collections.abc import Sequence
from typing import Protocol

from beam_pipelines.filter_steps import DegreeOptions
from beam_pipelines.input_options import InputOptions
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.write_steps import GraphPlan


class Engine(Protocol):
    """Runs stages. Every method returns when its stage's files are whole."""

    def parse(self, paths: Sequence[str], folder: str, options: ParseOptions, inputs: InputOptions) -> None:
        """Archives to parsed files and reports in `folder`, see `parsed_files.parse_to_files`."""
        ...

    def filter(self, parsed: Sequence[str], folder: str, options: DegreeOptions) -> None:
        """Parsed files to partitions of kept pages and edges in `folder`, see `filter_steps`."""
        ...

    def filter_again(self, partitions: Sequence[int], source: str, folder: str, options: DegreeOptions) -> None:
        """One more round of the degree rule, from the partitions in `source` to `folder`."""
        ...

    def write(self, partitions: Sequence[int], folder: str, plan: GraphPlan) -> None:
        """Partitions in `folder` to the parts of all graphs, see `write_steps`."""
        ...
