import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cluster.apiserver.spdy_headers import DICTIONARY, Compressor, Decompressor, HeaderError


def test_the_dictionary_is_the_protocols():
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def test_blocks_of_one_connection_share_their_context():
    out, into = Compressor(), Decompressor()
    headers = [{"streamtype": "stdin"}, {"streamtype": "data", "port": "8080"}, {}, {"x": ""}]
    assert [into.headers(out.block(one)) for one in headers] == headers


def test_names_are_lower_case():
    assert Decompressor().headers(Compressor().block({"streamType": "A"})) == {"streamtype": "A"}


@given(st.binary(max_size=200))
def test_any_bytes_are_headers_or_refused(plain):
    deflate = zlib.compressobj(zdict=DICTIONARY)
    for block in (plain, deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH)):
        try:
            assert isinstance(Decompressor().headers(block), dict)
        except HeaderError:
            continue


def test_a_count_that_lies_is_refused():
    deflate = zlib.compressobj(zdict=DICTIONARY)
    block = deflate.compress(b"\0\0\0\1\xff\xff\xff\xff") + deflate.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(HeaderError):
        Decompressor().headers(block)
