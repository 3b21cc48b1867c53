"""Into how many partitions and ranges the work is cut, from sizes alone. None of it changes a byte of output.

Between P partitions a stage sends up to P x P blocks, and N archives give up to N x P. So P must not grow as the input
does: partitions grow with the square root of the input once there are enough of them, and the blocks keep their size.

  input, compressed        partitions    a partition      P x P
  50 MB (shared crawl)              2         25 MB            4
  2 GB                             60         32 MiB       3,600
  16 GiB                          512         32 MiB     262,144
  22.4 TB (64,000 WAT)         18,488        1.2 GB      3.4e8
"""

import math

BYTES_PER_PARTITION = 1 << 25
"""Compressed input for one partition of a small run. Measured on WAT files of documentation sites: 50 MB hold 0.82
million links, and take 63 MB of memory more while they are merged and sent on as one partition."""
BYTES_PER_BLOCK = 1 << 16
"""Compressed input for one of the P x P blocks, at least: some hundred edges, beside which a block's head is small."""
NODES_PER_RANGE = 1 << 14
"""Nodes that one worker sorts in a small run; as for partitions, their number grows with the square root of all."""
NODES_PER_BLOCK = 1 << 8
"""What grows: nodes a range = sqrt(NODES_PER_BLOCK x nodes), 3e5 for the published 3.65e8."""
SAMPLES_PER_RANGE = 256
"""Sampled sort keys for each range: the size of a range then varies by 6 % (one standard deviation)."""


def choose_num_partitions(total_bytes: int, *, max_bytes_per_partition: int | None = None) -> int:
    """Chooses P, at least 1, for an input of so many compressed bytes.

    Args:
      max_bytes_per_partition: compressed input that fits a worker as one partition; None for no limit. Where it asks
        for more partitions than the size of blocks does, it wins.
    """
    size = max(BYTES_PER_PARTITION, math.isqrt(total_bytes * BYTES_PER_BLOCK))
    if max_bytes_per_partition is not None:
        size = min(size, max(1, max_bytes_per_partition))
    return max(1, -(-total_bytes // size))


def choose_num_ranges(num_nodes: int) -> int:
    """Chooses the number of ranges of sort keys in which nodes are numbered: few, for every partition sends to each."""
    return max(1, -(-num_nodes // max(NODES_PER_RANGE, math.isqrt(num_nodes * NODES_PER_BLOCK))))


def choose_num_samples(num_ranges: int, num_partitions: int) -> int:
    """Chooses how many sort keys each partition samples; one worker sees all samples, so their number is bounded."""
    return -(-SAMPLES_PER_RANGE * num_ranges // num_partitions)
