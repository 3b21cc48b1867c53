"""Command lines of Flink's Java processes, in place of the shell scripts that its Python distribution lacks."""

JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"

_OPENED = (
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "sun.nio.ch",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
)
JAVA_17_FLAGS = (
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
)
"""What Flink's own `conf/config.yaml` sets as `env.java.opts.all` for Java 17."""

_MEBIBYTE = 1 << 20


def job_manager_flags() -> list[str]:
    """Java's memory flags of a JobManager, which must hold the job server's jars of a job: about 1 GB in all."""
    return ["-Xms256m", "-Xmx768m", "-XX:MaxMetaspaceSize=256m"]


def job_server_flags() -> list[str]:
    return ["-Xmx512m"]


def task_manager_flags() -> tuple[list[str], list[str]]:
    """Java's flags and Flink's settings for a TaskManager of about 1.5 GB, which must agree."""
    framework_heap, task_heap, managed, network = 128, 512, 256, 128
    metaspace, overhead = 256, 192
    framework_off_heap, task_off_heap = 128, 128  # gRPC to the workers takes task off-heap memory
    heap, direct = framework_heap + task_heap, framework_off_heap + task_off_heap + network
    sizes = {
        "framework.heap": framework_heap,
        "task.heap": task_heap,
        "framework.off-heap": framework_off_heap,
        "task.off-heap": task_off_heap,
        "managed": managed,
        "jvm-metaspace": metaspace,
    }
    settings = {f"taskmanager.memory.{name}.size": size * _MEBIBYTE for name, size in sizes.items()}
    for end in ("min", "max"):
        settings[f"taskmanager.memory.network.{end}"] = network * _MEBIBYTE
        settings[f"taskmanager.memory.jvm-overhead.{end}"] = overhead * _MEBIBYTE
    flags = [f"-Xms{heap}m", f"-Xmx{heap}m", f"-XX:MaxDirectMemorySize={direct}m"]
    flags.append(f"-XX:MaxMetaspaceSize={metaspace}m")
    arguments = ["-D", "taskmanager.cpu.cores=1.0"]
    for name, size in settings.items():
        arguments += ["-D", f"{name}={size}b"]
    return flags, arguments
