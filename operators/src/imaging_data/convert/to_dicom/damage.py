# SPDX-License-Identifier: Apache-2.0
"""What libraries raise for files that are damaged or made to do harm, as one error."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from tokenize import TokenError

from ..errors import UnreadableInput

BROKEN: tuple[type[Exception], ...] = (  # seen with files whose bytes were changed at random
    OSError,
    EOFError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
    SyntaxError,
    TokenError,
    struct.error,
    zlib.error,
)


@contextmanager
def foreign(*more: type[Exception]) -> Iterator[None]:
    """Around calls of a library that reads a file: what it raises, and `more`, becomes UnreadableInput."""
    try:
        yield
    except (*BROKEN, *more) as error:
        said = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise UnreadableInput(f"{said}.") from error
