"""When damaged input fails a run: files that are no archives, and bytes that had to be skipped."""

import logging
from collections.abc import Sequence

from beam_pipelines.options import Tolerance
from beam_pipelines.parse_archive import ArchiveReport

_log = logging.getLogger(__name__)


class BuildError(RuntimeError):
    """The run must not make graphs from its inputs, or cannot write them. `archives` is what was read until then."""

    def __init__(self, message: str, archives: Sequence[ArchiveReport] = ()) -> None:
        super().__init__(message)
        self.archives = tuple(archives)


def check_damage(archives: Sequence[ArchiveReport], tolerance: Tolerance) -> None:
    """Raises BuildError where more of the input is damaged than is tolerated, or nothing of it is a page."""
    failed = [archive for archive in archives if archive.failure]
    for archive in failed:
        _log.warning("%s: %s", archive.name, archive.failure)
    if len(failed) > tolerance.max_failed_fraction * len(archives):
        names = ", ".join(f"{archive.name} ({archive.failure})" for archive in failed[:5])
        raise BuildError(
            f"{len(failed)} of {len(archives)} files failed: {names}{', ...' if len(failed) > 5 else ''}; leave them "
            "out, fetch them again, or allow for them with --max-failed-fraction.",
            archives,
        )
    read = sum(archive.bytes for archive in archives)
    skipped = sum(archive.counts.get("bytes_skipped", 0) for archive in archives)
    if skipped > tolerance.max_bad_fraction * read:
        worst = max(archives, key=lambda archive: archive.counts.get("bytes_skipped", 0))
        raise BuildError(
            f"{skipped:,} of {read:,} bytes were damaged and skipped, most in {worst.name}; fetch the files again, "
            "or allow for them with --max-bad-fraction.",
            archives,
        )
    if not any(archive.counts.get("pages") for archive in archives):
        raise BuildError("No archive holds an HTML page that was answered with status 200.", archives)
