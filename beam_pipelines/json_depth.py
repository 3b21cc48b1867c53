"""How deep JSON nests, told from its brackets, without decoding it."""

import re

import numpy as np

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def is_deeper(text: bytes, depth: int) -> bool:
    """Returns whether objects and arrays nest deeper than `depth`. What is no JSON gets some answer."""
    if text.count(b"{") + text.count(b"[") <= depth:
        return False
    brackets = np.frombuffer(_STRING.sub(b"", text).translate(None, _NO_BRACKETS), dtype=np.uint8)
    steps = np.where((brackets == ord("{")) | (brackets == ord("[")), 1, -1).astype(np.int8)
    return bool(np.cumsum(steps, dtype=np.int32).max(initial=0) > depth)
