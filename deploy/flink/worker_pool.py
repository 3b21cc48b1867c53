"""Beam's worker pool, bound to one address: `python -m deploy.flink.worker_pool --address 127.0.0.2 --port 50000`.

On a cluster of machines or pods the pool is Beam's own `python -m apache_beam.runners.worker.worker_pool_main
--service_port=50000`, one beside each TaskManager; it listens on all addresses of its machine. Several on one machine
need an address each, which that command cannot be given. All else is the same: the servicer is Beam's, with a process
for each SDK worker.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence

import grpc
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.utils import thread_pool_executor

# As Beam's own pool: TaskManagers ping it while nothing else is said. Two pools never share a port.
_OPTIONS = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0), ("grpc.so_reuseport", 0)]


def start_worker_pool(address: str, port: int) -> grpc.Server:
    """Starts the pool's service at an address of this machine."""
    server = grpc.server(thread_pool_executor.shared_unbounded_instance(), options=_OPTIONS)
    server.add_insecure_port(f"{address}:{port}")
    servicer = BeamFnExternalWorkerPoolServicer(use_process=True, data_buffer_time_limit_ms=-1)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(servicer, server)
    server.start()
    return server


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.flink.worker_pool", description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    server = start_worker_pool(arguments.address, arguments.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
