"""A Numba function as an XLA custom call on CPUs: it reads XLA's call frame and gets addresses and dimensions.

XLA calls a handler with the address of a call frame, a C struct of its stable interface (`xla/ffi/api/c_api.h`, which
jaxlib ships: `jax.ffi.include_dir()`). The handler runs in the thread that runs the device's program, with the buffers
where they are: nothing is copied, and Python's lock is not taken. Of the interface only this is used, as words of 64
bits:

    call frame   0 size  1 extension  2 api  3 context  4 stage  5..9 arguments  10..14 results  ...
    arguments    0 size  1 extension  2 count  3 types  4 addresses of buffers       (results alike)
    buffer       0 size  1 extension  2 type  3 data  4 rank  5 dimensions
    extension    0 size  1 type  2 next  3 metadata: 0 size  1 size  2 extension  3 version  4 traits

A frame with a metadata extension asks for the version of the interface instead of a call.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import jax
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_VERSION = 0 | 3 << 32  # major and minor version of the interface
_METADATA, _EXECUTE = 1, 3
_LOW = (1 << 32) - 1  # enumerations are 32 bits

Handler = Callable[[Any, Any], None]


def _pointer_of(typing_context: Any, address: Any) -> Any:
    """The address as a pointer that `numba.carray` takes."""
    del typing_context

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), generate


_pointer: Any = intrinsic(_pointer_of)


@numba.njit
def words(address: int, count: int) -> Any:
    """`count` 64-bit words from an address on, as an array over that memory."""
    return numba.carray(_pointer(address), (count,), np.intp)


@numba.njit
def dimension(buffers: Any, index: int, axis: int) -> int:
    """A dimension of the buffer whose address stands at `index` of `buffers`."""
    return words(words(buffers[index], 6)[5], axis + 1)[axis]


def data(buffers: Any, index: int, shape: Any, dtype: Any) -> Any:
    """Within Numba: the buffer as an array, of a shape and a type that the caller knows it to have."""
    raise NotImplementedError("runs only within functions that Numba has compiled")


@numba.extending.overload(data, inline="always")
def _data(buffers: Any, index: Any, shape: Any, dtype: Any) -> Any:
    def array(buffers: Any, index: Any, shape: Any, dtype: Any) -> Any:
        return numba.carray(_pointer(words(buffers[index], 6)[3]), shape, dtype)

    return array


def register_handler(name: str, handler: Handler) -> None:
    """Makes `jax.ffi.ffi_call(name, ...)` call a function on CPUs; it stays registered, and compiled, until the end.

    Args:
        name: of the call; registering another handler under it is an error of XLA's.
        handler: compiled by Numba; takes two arrays of words, the addresses of the arguments' and of the results'
            buffers. It must not raise.
    """

    @numba.cfunc(types.intp(types.CPointer(types.intp)))
    def entry(pointer: Any) -> int:
        frame = numba.carray(pointer, (15,))
        if frame[1] != 0:
            extension = words(frame[1], 4)
            if extension[1] & _LOW == _METADATA:
                metadata = words(extension[3], 5)
                metadata[3], metadata[4] = _VERSION, 0
                return 0
        if frame[4] & _LOW == _EXECUTE:
            handler(words(frame[9], frame[7]), words(frame[14], frame[12]))
        return 0  # no error

    _registered.append(entry)
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    jax.ffi.register_ffi_target(name, capsule(entry.address, None, None), platform="cpu")


_registered: list[Any] = []
"""Keeps the machine code of handlers alive."""
