"""Says which Pod served a request, and tells the request back, as kicbase/echo-server does."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(os.environ.get("PORT") or "8080")
HOST = os.environ.get("HOSTNAME", "")
MOST_BYTES = 1 << 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def echo(self):
        length = self.headers.get("content-length", "0")
        body = self.rfile.read(min(int(length), MOST_BYTES)) if length.isdigit() else b""
        print(f"{self.client_address[0]}:{self.client_address[1]} | {self.command} {self.path}", flush=True)
        lines = [f"Request served by {HOST}", "", f"{self.command} {self.path} {self.request_version}", ""]
        lines += sorted(f"{name}: {value}" for name, value in self.headers.items())
        answer = "\n".join(lines).encode() + b"\n" + (b"\n" + body if body else b"")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = echo

    def log_message(self, form, *values):
        """The log is written where a request is taken."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        # The inherited one looks up the host's name, which takes seconds where no DNS answers.
        self.socket.setsockopt(1, 2, 1)  # SOL_SOCKET, SO_REUSEADDR
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", PORT


if __name__ == "__main__":
    print(f"Echo server listening on port {PORT}.", flush=True)
    Server(("0.0.0.0", PORT), Handler).serve_forever()
