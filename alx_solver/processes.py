"""Several processes that train one model: each has some of the devices, reads the same data and makes the same plan.

Process 0 is the coordinator's and writes the files. On CPUs collectives between processes go through Gloo.
"""

import argparse


def join_processes(arguments: argparse.Namespace) -> bool:
    """Joins the processes that `--coordinator`, `--num-processes` and `--process-id` name, if any.

    Must be called before JAX is used, and imports it only if there is something to join.

    Returns:
        Whether this process reports and writes files.

    Raises:
        ValueError: some of the three are missing, or the process is not one of them.
    """
    given = [getattr(arguments, name, None) for name in ("coordinator", "num_processes", "process_id")]
    if given == [None, None, None]:
        return True
    coordinator, num_processes, process_id = given
    if coordinator is None or num_processes is None or process_id is None:
        raise ValueError("give --coordinator, --num-processes and --process-id together, or none of them")
    if not 0 <= process_id < num_processes:
        raise ValueError(f"--process-id {process_id}: give 0 to {num_processes - 1}")
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # else it takes SIGTERM, and does nothing about it
    jax.distributed.initialize(coordinator, num_processes=num_processes, process_id=process_id)
    return process_id == 0
