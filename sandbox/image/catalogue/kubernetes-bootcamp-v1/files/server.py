"""The app of the "Kubernetes Basics" tutorial: it says hello, and which Pod and version answered.

Written for Quayside after the behaviour of the original, a few lines of Node.js. It uses Python's lowest layers
(`_socket`, not `socket` or `http.server`), so that one copy needs 3.5 MB of memory instead of 11.
"""

import _socket
import os
import select
import time

PORT = 8080
VERSION = 1
HOST = os.environ["HOSTNAME"]  # in a Pod: its name

MOST_CLIENTS = 200
LONGEST_REQUEST = 64 * 1024
IDLE_SECONDS = 5


def iso(seconds):
    """2022-12-20T09:23:29.369Z"""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{milliseconds:03d}Z"


def say(line):
    print(line, flush=True)


class App:
    """What the app answers, and what it writes to its log."""

    def __init__(self):
        self.started_at = time.time()
        self.requests = 0
        say(f"Kubernetes Bootcamp App Started At: {iso(self.started_at)} | Running On:  {HOST} \n")

    def respond(self):
        """The pieces of the answer, which is the same for every path and method."""
        self.requests += 1
        now = time.time()
        uptime = f"{now - self.started_at:.3f}".rstrip("0").rstrip(".")
        say(
            f"Running On: {HOST} | Total Requests: {self.requests}"
            f" | App Uptime: {uptime} seconds | Log Time: {iso(now)}"
        )
        return "Hello Kubernetes bootcamp! | Running on: ", HOST, f" | v={VERSION}\n"


class Client:
    """One connection. It may send several requests, one after the other (HTTP/1.1 keep-alive)."""

    def __init__(self, connection):
        self.connection = connection
        self.received = b""
        self.to_send = b""
        self.to_skip = 0  # bytes of a request's body, which nobody reads
        self.closing = False
        self.seen_at = time.monotonic()

    def feed(self, data, app):
        """Take what has arrived and answer each request that is complete."""
        self.seen_at = time.monotonic()
        self.received += data
        while not self.closing:
            skipped = min(self.to_skip, len(self.received))
            self.received, self.to_skip = self.received[skipped:], self.to_skip - skipped
            head, end, rest = self.received.partition(b"\r\n\r\n")
            if self.to_skip or not end:
                self.closing = len(self.received) > LONGEST_REQUEST
                return
            self.received = rest
            self.to_send += self.answer(head.decode("latin-1").split("\r\n"), app)

    def answer(self, lines, app):
        method, _, version = (lines[0].split(" ") + ["", "", ""])[:3]
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip().lower()
        if not version.startswith("HTTP/1."):
            self.closing = True
            return b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
        chunked = version != "HTTP/1.0"
        wanted = fields.get("connection", "keep-alive" if chunked else "close")
        length = fields.get("content-length", "0")
        self.to_skip = int(length) if length.isdigit() else 0
        # The end of a chunked body cannot be known without reading it: then this request is the last one.
        self.closing = wanted == "close" or not chunked or "transfer-encoding" in fields
        return self.head(chunked=chunked) + body(app.respond(), chunked=chunked, empty=method == "HEAD")

    def head(self, *, chunked):
        lines = [
            "HTTP/1.1 200 OK",
            "Content-Type: text/plain",
            time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
            "Connection: close" if self.closing else "Connection: keep-alive",
        ]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def body(pieces, *, chunked, empty):
    if empty:
        return b""
    encoded = [piece.encode() for piece in pieces]
    if not chunked:
        return b"".join(encoded)
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in encoded) + b"0\r\n\r\n"


class Server:
    """Serves all clients from one loop, so that a slow one holds up nobody."""

    def __init__(self, app):
        self.app = app
        self.clients = {}
        self.poll = select.epoll()
        self.listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        self.listener.bind(("0.0.0.0", PORT))
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.poll.register(self.listener.fileno(), select.EPOLLIN)

    def run(self):
        while True:
            # A server without clients sleeps until there is one.
            for fd, _event in self.poll.poll(IDLE_SECONDS if self.clients else -1):
                if fd == self.listener.fileno():
                    self.accept()
                else:
                    self.serve(fd)
            self.drop_idle()

    def accept(self):
        try:
            fd, _address = self.listener._accept()
        except OSError:
            return  # it has gone already
        connection = _socket.socket(fileno=fd)
        if len(self.clients) >= MOST_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        self.clients[fd] = Client(connection)
        self.poll.register(fd, select.EPOLLIN)

    def serve(self, fd):
        client = self.clients[fd]
        try:
            if not client.to_send:
                data = client.connection.recv(65536)
                if not data:
                    return self.drop(fd)
                client.feed(data, self.app)
            sent = client.connection.send(client.to_send) if client.to_send else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            return self.drop(fd)
        client.to_send = client.to_send[sent:]
        if client.closing and not client.to_send:
            return self.drop(fd)
        # While something is left to send nothing more is read: a client that never reads cannot fill our memory.
        self.poll.modify(fd, select.EPOLLOUT if client.to_send else select.EPOLLIN)

    def drop(self, fd):
        self.poll.unregister(fd)
        self.clients.pop(fd).connection.close()

    def drop_idle(self):
        limit = time.monotonic() - IDLE_SECONDS
        for fd in [fd for fd, client in self.clients.items() if client.seen_at < limit]:
            self.drop(fd)


if __name__ == "__main__":
    Server(App()).run()
