"""Owns which errors of Python's libraries say that an archive is broken.

Never opens one.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from typing import Final

# What zipfile, tarfile and gzip raise for bytes that are no whole archive, by their documents and
# beside them: a directory that lies makes them count and look up what is not there.
BROKEN_ARCHIVE: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    ValueError,
)
