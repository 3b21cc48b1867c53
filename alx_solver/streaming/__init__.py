"""Batches that do not fit on the devices: kept in host memory or on disk, and brought chunk by chunk while others are
solved.

`chunks.py` cuts the tiles of a half-step, `chunk_store.py` keeps the chunks, `chunk_reader.py` brings them ahead of
the solve, `streamed_side.py` solves from them, with the bytes that an unstreamed half-step gives; `placement.py` says
where batches lie. See `docs/streaming.md`.
"""

from alx_solver.streaming.placement import Placement as Placement
from alx_solver.streaming.placement import choose_placement as choose_placement
from alx_solver.streaming.streamed_side import StreamedSide as StreamedSide
from alx_solver.streaming.streamed_side import stream_side as stream_side
