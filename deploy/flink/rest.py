"""What a JobManager says of its TaskManagers, jobs and tasks, through Flink's REST interface."""

import json
import urllib.error
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 10


class JobManagerRest:
    """Reads `http://HOST:PORT/v1/...`; each method's JSON is as in Flink's REST documentation."""

    def __init__(self, address: str) -> None:
        self._base = f"http://{address}/v1"

    def get(self, path: str) -> Any:
        """Raises OSError where nobody answers, or not yet."""
        with urllib.request.urlopen(f"{self._base}/{path}", timeout=_TIMEOUT_SECONDS) as answer:
            return json.load(answer)

    def task_managers(self) -> list[dict[str, Any]]:
        return list(self.get("taskmanagers")["taskmanagers"])

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the earliest first: `jid`, `name`, `state`, `start-time`."""
        return sorted(self.get("jobs/overview")["jobs"], key=lambda job: job["start-time"])

    def vertices(self, job: str) -> list[dict[str, Any]]:
        """The operators of a job: `id`, `name`, `status`, `metrics` with `read-records` and `write-records`."""
        return list(self.get(f"jobs/{job}")["vertices"])

    def subtasks(self, job: str, vertex: str) -> list[dict[str, Any]]:
        """Current attempts of an operator's tasks: `subtask`, `attempt`, `status`, `taskmanager-id`, `metrics`."""
        return list(self.get(f"jobs/{job}/vertices/{vertex}")["subtasks"])

    def failures(self, job: str) -> list[str]:
        """Names of the exceptions that failed tasks of a job, restarted or not."""
        history = self.get(f"jobs/{job}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return [entry["exceptionName"] for entry in history]

    def answers(self) -> bool:
        try:
            self.get("overview")
        except (OSError, urllib.error.URLError):
            return False
        return True
