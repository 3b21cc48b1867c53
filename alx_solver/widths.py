"""Widths of the whole-row classes, picked from the row lengths so that padding is least.

A row of n entries goes to the narrowest class of width >= n and costs that width. With K widths out of C
candidates, dynamic programming over the histogram of lengths finds the best K in O(K C^2):

    best[k][j] = min over i < j of best[k - 1][i] + width_j * (rows with width_i < n <= width_j)
"""

import numpy as np
from jaxtyping import Int64

# Every width up to 16, then steps of at most an eighth, and of about a sixteenth from 64 on.
_EVERY_UNTIL = 16
_LEAST_STEP = 4


def candidate_widths(longest: int) -> Int64[np.ndarray, " candidates"]:
    """Ascending widths that are considered for rows of up to `longest` entries; the last is >= `longest`."""
    widths = list(range(1, min(longest, _EVERY_UNTIL) + 1))
    while widths[-1] < longest:
        sixteenth = widths[-1] // 16 // _LEAST_STEP * _LEAST_STEP
        widths.append(widths[-1] + (2 if widths[-1] < 2 * _EVERY_UNTIL else max(_LEAST_STEP, sixteenth)))
    return np.array(widths, np.int64)


def choose_widths(
    row_lengths: Int64[np.ndarray, " rows"], *, num_widths: int, max_width: int, min_saving: int = 0
) -> tuple[int, ...]:
    """At most `num_widths` ascending widths that pad these rows least.

    Args:
        row_lengths: entries of each row; rows without any, and rows longer than `max_width`, are left out.
        num_widths: how many widths at most.
        max_width: longest row that is not cut.
        min_saving: padded entries that one more width must save, or it is not added: it costs compile time.
    """
    lengths = row_lengths[(row_lengths > 0) & (row_lengths <= max_width)]
    if not len(lengths):
        return (min(max_width, _EVERY_UNTIL),)
    widths = candidate_widths(int(lengths.max()))
    upto = np.concatenate([[0], np.searchsorted(np.sort(lengths), widths, side="right")])
    # cost[i, j]: rows longer than candidate i - 1 (i = 0: all) and no longer than candidate j, padded to j.
    cost = np.where(
        np.arange(len(widths))[None, :] >= np.arange(len(widths))[:, None],
        (upto[None, 1:] - upto[:-1, None]) * widths[None, :].astype(np.float64),
        np.inf,
    )
    best, choice = cost[0], []
    for _ in range(min(num_widths, len(widths)) - 1):
        totals = best[:-1, None] + cost[1:, :]  # [last width before, last width]
        came_from = totals.argmin(axis=0)
        better = np.minimum(best, totals.min(axis=0, initial=np.inf))
        if best[-1] - better[-1] < min_saving:
            break
        choice.append(np.where(totals.min(axis=0, initial=np.inf) < best, came_from, -1))
        best = better
    return tuple(int(min(widths[j], max_width)) for j in _trace_back(choice, len(widths) - 1))


def _trace_back(choice: list[Int64[np.ndarray, " candidates"]], last: int) -> list[int]:
    """Indices of the chosen candidates, ascending; -1 in a layer means that it added no width."""
    path = [last]
    for came_from in reversed(choice):
        if came_from[path[-1]] >= 0:
            path.append(int(came_from[path[-1]]))
    return path[::-1]
