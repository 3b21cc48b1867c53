"""A Flink cluster on this machine: a JobManager, TaskManagers each with a pool of Beam workers, and Beam's job server.

Every one is a process of its own, as on a cluster of machines. A TaskManager and its pool play one machine: all
TaskManagers know the pool by the one name that jobs give (`environment_config`), and each resolves that name to the
address of its own, through a hosts file of its Java process (`jdk.net.hosts.file`). No rights of root are needed.
"""

import dataclasses
import functools
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.flink import java
from deploy.flink.processes import ClusterError, ClusterProcess, free_ports, listens, wait_until
from deploy.flink.rest import JobManagerRest

WORKER_POOL_NAME = "beam-worker-pool"
"""What every TaskManager calls the worker pool beside it."""

_HOST = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 90.0
_CACHE_MILLISECONDS = 30_000
_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.name = out
appender.out.type = CONSOLE
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss,SSS} %-5p %-60c %x - %m%n
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """How large a cluster is.

    Attributes:
      task_managers: TaskManagers, each with a worker pool.
      slots: task slots of each; enough for one TaskManager to carry the job alone.
      parallelism: tasks of an operator that jobs ask for.
      heartbeat_seconds: silence after which a TaskManager is given up.
    """

    task_managers: int = 2
    slots: int = 4
    parallelism: int = 2
    heartbeat_seconds: int = 5

    def __post_init__(self) -> None:
        if not self.slots >= self.parallelism >= self.task_managers >= 1:
            raise ValueError(f"slots >= parallelism >= task_managers >= 1 is required, not {self}")


@dataclasses.dataclass(frozen=True)
class Installation:
    """Where `make flink` puts Flink's distribution and Beam's job server."""

    folder: Path

    @property
    def flink(self) -> Path:
        return self.folder / "flink" / "pyflink"

    @property
    def job_server(self) -> Path:
        return self.folder / "beam-flink-job-server.jar"

    def check(self) -> None:
        """Raises ClusterError where something is missing."""
        for path in (self.flink / "lib", self.job_server):
            if not path.exists():
                raise ClusterError(f"{path} is missing; run `make flink` first.")
        if shutil.which("java") is None:
            raise ClusterError("There is no `java` in PATH; Flink needs Java 17.")


@dataclasses.dataclass
class TaskManager:
    """A TaskManager and the pool beside it."""

    name: str
    process: ClusterProcess
    pool: ClusterProcess

    def kill(self) -> None:
        """Kills both at once, with all workers of the pool."""
        self.process.kill()
        self.pool.kill()


class FlinkCluster:
    """A context: the cluster runs inside, and nothing of it is left after."""

    def __init__(self, installation: Installation, folder: Path, options: ClusterOptions = ClusterOptions()) -> None:
        installation.check()
        self._installation = installation
        self._options = options
        self._folder = folder
        self._processes: list[ClusterProcess] = []
        hosts = [_HOST, *map(_pool_address, range(options.task_managers))]
        self._rest_port, self._rpc_port, self._pool_port, self._job_port, *self._more_ports = free_ports(hosts, 6)
        self.task_managers: list[TaskManager] = []
        self.rest = JobManagerRest(f"{_HOST}:{self._rest_port}")

    @property
    def address(self) -> str:
        """The JobManager's REST interface and web page."""
        return f"{_HOST}:{self._rest_port}"

    @property
    def job_endpoint(self) -> str:
        """Where Beam's job server takes pipelines."""
        return f"{_HOST}:{self._job_port}"

    def beam_args(self) -> list[str]:
        """The options of a Beam pipeline that is to run on this cluster."""
        return [
            "--runner=PortableRunner",
            f"--job_endpoint={self.job_endpoint}",
            "--environment_type=EXTERNAL",
            f"--environment_config={WORKER_POOL_NAME}:{self._pool_port}",
            # A worker started for one stage goes on to the next.
            f"--environment_cache_millis={_CACHE_MILLISECONDS}",
            f"--parallelism={self._options.parallelism}",
        ]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        self._java("jobmanager", java.job_manager_flags(), [java.JOB_MANAGER, *self._configuration()])
        for number in range(self._options.task_managers):
            pool, process = self._start_pool(number), self._start_task_manager(number)
            self.task_managers.append(TaskManager(f"taskmanager-{number}", process, pool))
        self._start_job_server()
        self._wait(self.rest.answers, "answer of the JobManager")
        self._wait(self._complete, f"{self._options.task_managers} registered TaskManagers")
        for number in range(self._options.task_managers):
            self._wait(functools.partial(listens, _pool_address(number), self._pool_port), "worker pool")
        self._wait(functools.partial(listens, _HOST, self._job_port), "job server")

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        wait_until(ready, what, self._processes, _START_SECONDS)

    def _complete(self) -> bool:
        return len(self.rest.task_managers()) == self._options.task_managers

    def _start_pool(self, number: int) -> ClusterProcess:
        where = ["--address", _pool_address(number), "--port", str(self._pool_port)]
        return self._run(f"worker-pool-{number}", [sys.executable, "-m", "deploy.flink.worker_pool", *where])

    def _start_task_manager(self, number: int) -> ClusterProcess:
        name, hosts = f"taskmanager-{number}", self._folder / f"hosts-{number}"
        hosts.write_text(f"{_HOST} localhost\n{_pool_address(number)} {WORKER_POOL_NAME}\n")
        flags, settings = java.task_manager_flags()
        arguments = [java.TASK_MANAGER, *self._configuration(), *settings, "-D", f"taskmanager.resource-id={name}"]
        return self._java(name, [*flags, f"-Djdk.net.hosts.file={hosts}"], arguments)

    def _start_job_server(self) -> None:
        artifact_port, expansion_port = self._more_ports
        arguments = [
            java.JOB_SERVER,
            f"--flink-master={self.address}",
            f"--job-host={_HOST}",
            f"--job-port={self._job_port}",
            f"--artifact-port={artifact_port}",
            f"--expansion-port={expansion_port}",
            f"--artifacts-dir={self._folder / 'artifacts'}",
        ]
        # The job server sends its class path to Flink with every job, so it gets only what it needs of Flink.
        self._java("job-server", java.job_server_flags(), arguments, flink=("flink-dist-*.jar", "log4j-*.jar"))

    def _java(
        self, name: str, flags: Sequence[str], arguments: Sequence[str], *, flink: Sequence[str] = ("*.jar",)
    ) -> ClusterProcess:
        jars = [path for pattern in flink for path in sorted((self._installation.flink / "lib").glob(pattern))]
        class_path = os.pathsep.join(map(str, [*jars, self._installation.job_server]))
        logging = f"-Dlog4j2.configurationFile={self._folder / 'conf' / 'log4j2.properties'}"
        fixed = [*java.JAVA_17_FLAGS, logging, f"-Djava.io.tmpdir={self._folder}"]
        return self._run(name, ["java", *fixed, *flags, "-cp", class_path, *arguments])

    def _run(self, name: str, command: Sequence[str]) -> ClusterProcess:
        # The pools start their workers as `python`, which is to be this one, with the same packages.
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
        packages = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PATH": path, "PYTHONPATH": packages}
        process = ClusterProcess(name, command, self._folder / f"{name}.log", environment)
        self._processes.append(process)
        return process

    def _configuration(self) -> list[str]:
        return ["--configDir", str(self._folder / "conf")]

    def _write_configuration(self) -> None:
        milliseconds = self._options.heartbeat_seconds * 1000
        settings = {
            "jobmanager.rpc.address": _HOST,
            "jobmanager.rpc.port": self._rpc_port,
            "jobmanager.bind-host": _HOST,
            "rest.address": _HOST,
            "rest.port": self._rest_port,
            "rest.bind-address": _HOST,
            "taskmanager.host": _HOST,
            "taskmanager.bind-host": _HOST,
            "taskmanager.numberOfTaskSlots": self._options.slots,
            # Tasks go to all TaskManagers from the start, although one has slots for all of them.
            "taskmanager.load-balance.mode": "SLOTS",
            "heartbeat.interval": milliseconds // 5,
            "heartbeat.timeout": milliseconds,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 10,
            "restart-strategy.fixed-delay.delay": "1 s",
            # Beam's classes come from Flink's side, not from the job: in a job's own class loader, Beam would stop its
            # workers after every stage.
            "classloader.resolve-order": "parent-first",
            "metrics.fetcher.update-interval": 500,
            "io.tmp.dirs": self._folder,
        }
        conf = self._folder / "conf"
        conf.mkdir(exist_ok=True)
        (conf / "flink-conf.yaml").write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
        (conf / "log4j2.properties").write_text(_LOGGING)


def _pool_address(number: int) -> str:
    return f"127.0.0.{number + 2}"
