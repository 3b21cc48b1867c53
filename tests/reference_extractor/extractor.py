"""The reference WAT extractor, `org.netpreserve.commons:webarchive-commons`, run as its authors run it.

`make extractor` puts its jars into `.extractor`. Tests that need them are skipped where they are missing, but fail
there if `CI=true`, so that no automatic run passes without them. Its source: https://github.com/iipc/webarchive-commons
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_JARS = _ROOT / ".extractor" / "jars"
_PINNED = Path(__file__).with_name("jars.sha256")
_MAIN = "org.archive.extract.ResourceExtractor"
_JAVA_FLAGS = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""For runs of seconds: half of the processor time."""


def require_extractor() -> None:
    """Skips the test, or fails it if `CI=true`, where Java or the jars are missing."""
    missing = [path for path in _class_path() if not path.exists()]
    if shutil.which("java") and not missing:
        return
    what = f"{missing[0].name} is missing" if missing else "there is no java"
    message = f"The reference extractor cannot be run ({what}); run `make extractor`, with Java 17 and Maven."
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def extract_wat(archive: Path, wat: Path) -> str:
    """Writes the WAT file of a WARC or ARC file.

    Returns:
      What the extractor said, mostly of records that it could not read.

    Raises:
      subprocess.CalledProcessError: it gave up.
    """
    class_path = os.pathsep.join(map(str, _class_path()))
    command = ["java", *_JAVA_FLAGS, "-cp", class_path, _MAIN, "-wat", str(archive)]
    with wat.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=True)
    return done.stderr.decode("utf-8", "replace")


def _class_path() -> list[Path]:
    """The jars that are pinned, and no others that lie there."""
    return [_JARS / line.split()[1] for line in _PINNED.read_text().splitlines()]
