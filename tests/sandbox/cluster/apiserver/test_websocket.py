import asyncio

from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from sandbox.cluster.apiserver.websocket import TunnelWire, WebSocket, accept_key


class Writer:
    """Keeps what is written."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data

    async def drain(self):
        pass


def pair(*pieces, early=b""):
    reader, writer = asyncio.StreamReader(), Writer()
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    return WebSocket(reader, writer, early), writer


def spoken(writer, client):
    client.receive_data(writer.data)
    return list(client.events())


def test_the_handshake_is_answered_as_the_standard_says():
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_messages_come_in_pieces_that_say_where_they_begin():
    client = Connection(ConnectionType.CLIENT)
    early = client.send(BytesMessage(data=b"first"))
    whole = client.send(BytesMessage(data=b"x" * 100_000))
    socket, writer = pair(whole[:50_000], whole[50_000:], early=early)
    assert await socket.receive() == (b"first", True)
    pieces = []
    while (received := await socket.receive()) is not None:
        pieces.append(received)
    assert b"".join(data for data, _ in pieces) == b"x" * 100_000
    assert [begins for _, begins in pieces] == [True] + [False] * (len(pieces) - 1)
    assert len(pieces) > 1
    assert writer.data == b""


async def test_pings_are_answered_and_goodbyes_returned():
    client = Connection(ConnectionType.CLIENT)
    socket, writer = pair(client.send(Ping(payload=b"?")) + client.send(CloseConnection(code=1000)))
    assert await socket.receive() is None
    pong, close = spoken(writer, client)
    assert (pong, close.code) == (Pong(payload=b"?"), 1000)


async def test_text_is_refused():
    client = Connection(ConnectionType.CLIENT)
    socket, writer = pair(client.send(TextMessage(data="hello")))
    assert await socket.receive() is None
    assert spoken(writer, client)[0].code == 1003


async def test_a_tunnel_joins_messages():
    client = Connection(ConnectionType.CLIENT)
    sent = b"".join(client.send(BytesMessage(data=part)) for part in (b"ab", b"", b"cd"))
    socket, writer = pair(sent)
    wire = TunnelWire(socket)
    await wire.write(b"back")
    assert [await wire.read(), await wire.read(), await wire.read()] == [b"ab", b"cd", b""]
    assert spoken(writer, client) == [BytesMessage(data=b"back", frame_finished=True, message_finished=True)]


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_end_in_time(pieces):
    async def survive():
        socket, _ = pair(*pieces)
        async with asyncio.timeout(5):
            try:
                while await socket.receive() is not None:
                    pass
            except ConnectionError:
                pass

    asyncio.run(survive())
