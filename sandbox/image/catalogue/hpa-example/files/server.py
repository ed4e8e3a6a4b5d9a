"""Computes square roots for a moment at each request and says OK!, as the image of the autoscaling walkthrough does."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 80
ROUNDS = 250_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        number = 0.0001
        for _ in range(ROUNDS):
            number += number**0.5
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"OK!")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        # The inherited one looks up the host's name, which takes seconds where no DNS answers.
        self.socket.setsockopt(1, 2, 1)  # SOL_SOCKET, SO_REUSEADDR
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", PORT


if __name__ == "__main__":
    Server(("0.0.0.0", PORT), Handler).serve_forever()
