"""Says hello, its version and the Pod's name, as Google's sample hello-app does."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1.0.0"
PORT = int(os.environ.get("PORT") or "8080")
HOST = os.environ.get("HOSTNAME", "")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def hello(self):
        print(f"{self.log_date_time_string()} Serving request: {self.path}", file=sys.stderr, flush=True)
        body = f"Hello, world!\nVersion: {VERSION}\nHostname: {HOST}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = hello

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
    print(f"Server listening on port {PORT}", file=sys.stderr, flush=True)
    Server(("0.0.0.0", PORT), Handler).serve_forever()
