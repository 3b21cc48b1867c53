"""Runs fuzz targets for a set time and says how often, how far, and what was found.

    python -m tests.fuzz.run [TARGET...] [--seconds 60] [--jobs 1] [--folder .fuzz] [--json FILE]

Corpora are kept in the folder, so that the next run goes on from there. A finding ends its target's run: the input lies
in FOLDER/findings; mend the fault, and keep the input under tests/fuzz/regressions/TARGET, which a test replays.
Exit codes: 0 nothing found; 1 something found.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fuzz.seeds import DICTIONARIES, TARGETS, write_seeds

_ROOT = Path(__file__).resolve().parents[2]
_STATUS = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def fuzz(name: str, seconds: int, folder: Path) -> dict[str, Any]:
    """Runs one target in a process of its own.

    Returns:
      executions; edges (`cov`) and features (`ft`) of the code that were reached, as libFuzzer counts them, of Python
      code alone; inputs in the corpus; CPU seconds; findings, as names of files.
    """
    corpus, seeds, findings = (folder / kind / name for kind in ("corpus", "seeds", "findings"))
    for path in (corpus, findings):
        path.mkdir(parents=True, exist_ok=True)
    write_seeds(name, seeds)
    before = set(findings.iterdir())
    flags = [
        f"-max_total_time={seconds}",
        "-timeout=120",
        "-report_slow_units=120",
        "-rss_limit_mb=3000",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    if name in DICTIONARIES:
        dictionary = folder / f"{name}.dict"
        lines = ('"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word)) for word in DICTIONARIES[name])
        dictionary.write_text("".join(lines), encoding="ascii")
        flags.append(f"-dict={dictionary}")
    command = [sys.executable, "-m", "tests.fuzz.fuzz_one", name, str(corpus), str(seeds), *flags]
    command.append(f"-artifact_prefix={findings}/")
    log = folder / f"{name}.log"
    start = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, cwd=_ROOT)
        _, status, usage = os.wait4(process.pid, 0)
    text = log.read_text(errors="replace")
    statuses, executed = _STATUS.findall(text), _EXECUTED.findall(text)
    edges, features, inputs = map(int, statuses[-1]) if statuses else (0, 0, 0)
    return {
        "target": name,
        "seconds": round(time.monotonic() - start, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "executions": int(executed[-1]) if executed else 0,
        "edges": edges,
        "features": features,
        "corpus": inputs,
        "exit_status": os.waitstatus_to_exitcode(status),
        "findings": sorted(path.name for path in set(findings.iterdir()) - before),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets side by side")
    parser.add_argument("--folder", type=Path, default=_ROOT / ".fuzz", help="for corpora and findings")
    parser.add_argument("--json", type=Path, help="file to add one line a target to")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = False
    sys.stdout.write(
        f"{'target':16} {'executions':>11} {'edges':>6} {'features':>8} {'corpus':>6} {'CPU s':>7} findings\n"
    )
    with ThreadPoolExecutor(arguments.jobs) as threads:
        for result in threads.map(lambda name: fuzz(name, arguments.seconds, folder), arguments.targets or TARGETS):
            failed = bool(result["findings"]) or result["exit_status"] != 0
            found |= failed
            what = ", ".join(result["findings"]) or (f"see {result['target']}.log" if failed else "none")
            sys.stdout.write(
                f"{result['target']:16} {result['executions']:11,} {result['edges']:6,} {result['features']:8,} "
                f"{result['corpus']:6,} {result['cpu_seconds']:7.1f} {what}\n"
            )
            sys.stdout.flush()
            if arguments.json:
                with arguments.json.open("a", encoding="utf-8") as sink:
                    sink.write(json.dumps(result) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
