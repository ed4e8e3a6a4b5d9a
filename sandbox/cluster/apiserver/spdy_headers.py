"""SPDY/3.1 header blocks: name and value pairs, compressed with a dictionary that both sides know."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow"
    " authorization cache-control connection content-base content-encoding content-language content-length"
    " content-location content-md5 content-range content-type date etag expect expires from host if-match"
    " if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma"
    " proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade"
    " user-agent vary via warning www-authenticate method get status"
).split()
_MORE = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in (*_WORDS, *_MORE)) + _TAIL.encode()
"""Part of the protocol (SPDY draft 3, 2.6.10.1); its Adler-32 checksum is in every first header block."""

_LIMIT = 16 * 1024
_MOST_HEADERS = 64


class HeaderError(Exception):
    """It is no header block, or a far too large one."""


class Compressor:
    """Writes the header blocks of one connection."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)

    def block(self, headers: Mapping[str, str]) -> bytes:
        """The next header block."""
        plain = bytearray(struct.pack(">I", len(headers)))
        for text in (text for pair in headers.items() for text in pair):
            data = text.encode()
            plain += struct.pack(">I", len(data)) + data
        return self._deflate.compress(bytes(plain)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class Decompressor:
    """Reads the header blocks of one connection."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(15, DICTIONARY)

    def headers(self, block: bytes) -> dict[str, str]:
        """The headers in the next block, names in lower case. Raises HeaderError."""
        try:
            plain = self._inflate.decompress(block, _LIMIT)
        except zlib.error as error:
            raise HeaderError(str(error)) from error
        if self._inflate.unconsumed_tail:
            raise HeaderError("the headers are too large")
        try:
            return _parse(memoryview(plain))
        except (struct.error, UnicodeDecodeError) as error:
            raise HeaderError("the headers are malformed") from error


def _parse(plain: memoryview) -> dict[str, str]:
    (count,) = struct.unpack_from(">I", plain)
    if count > _MOST_HEADERS:
        raise HeaderError("there are too many headers")
    texts, at = [], 4
    for _ in range(2 * count):
        (size,) = struct.unpack_from(">I", plain, at)
        at += 4
        if size > len(plain) - at:
            raise HeaderError("the headers are cut short")
        texts.append(str(plain[at : at + size], "utf-8"))
        at += size
    return {name.lower(): value for name, value in zip(texts[::2], texts[1::2], strict=True)}
