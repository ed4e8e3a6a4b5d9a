"""Says hello to every request, as Google's sample node-hello does."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080
HELLO = b"Hello Kubernetes!"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        print(f"Received request for URL: {self.path}", flush=True)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(HELLO)))
        self.end_headers()
        self.wfile.write(HELLO)

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
    Server(("0.0.0.0", PORT), Handler).serve_forever()
