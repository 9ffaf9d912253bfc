"""Copies of bytes inside compiled code, by the processor's own means."""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from chm.generate.plan import Bytes


@intrinsic
def _copy_bytes(_: Any, out: Any, at: Any, source: Any, first: Any, size: Any) -> Any:  # noqa: ANN401
    """Copy `size` bytes of `source` from `first` on to `at` in `out`, inside compiled code.

    It becomes a memcpy; a loop over bytes does not, for its arrays might overlap. Neither the
    bounds nor an overlap is checked.
    """

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:  # noqa: ANN401
        pointers = []
        for number in (0, 2):
            array = context.make_array(signature.args[number])(context, builder, values[number])
            pointers.append(builder.gep(array.data, [values[number + 1]]))
        copy: Any = cgutils.raw_memcpy
        copy(builder, pointers[0], pointers[1], values[4], itemsize=1)
        return context.get_dummy_value()

    return types.none(out, at, source, first, size), emit


copy_bytes = cast("Callable[[Bytes, int, Bytes, int, int], None]", _copy_bytes)
