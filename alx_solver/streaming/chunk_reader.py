"""Brings chunks to the devices ahead of the solve: a thread reads and puts, a queue of one holds it back."""

import queue
import threading
from collections.abc import Iterator

from jax.sharding import Mesh

from alx_solver.mesh import put_sharded
from alx_solver.streaming.chunk_store import ChunkStore
from alx_solver.streaming.chunks import Chunk, ChunkPlace

_Item = tuple[ChunkPlace, Chunk] | BaseException | None


def read_ahead(mesh: Mesh, store: ChunkStore) -> Iterator[tuple[ChunkPlace, Chunk]]:
    """The chunks of a store in order, on the devices.

    While the caller works on one, the next lies in the queue and another is on its way. The thread ends with the
    iterator, however that ends; what it raises is raised here.
    """
    ready: queue.Queue[_Item] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def put(item: _Item) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def bring() -> None:
        try:
            for index, place in enumerate(store.places):
                if stop.is_set():
                    return
                put((place, put_sharded(mesh, store.read(index))))
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=bring, name="chunk reader", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
