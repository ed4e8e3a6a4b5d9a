"""Tells each request back, in the words of echoserver 1.4 (which is nginx with a few lines of Lua)."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PORT = 8080
SERVER = "nginx: 1.10.0 - lua: 10001"  # what the original says of itself; this is Python
MOST_BYTES = 1 << 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "echoserver"
    timeout = 60

    def echo(self):
        length = self.headers.get("content-length", "0")
        body = self.rfile.read(min(int(length), MOST_BYTES)) if length.isdigit() else b""
        parts = urlsplit(self.path)
        host = self.headers.get("host", "").split(":")[0] or self.connection.getsockname()[0]
        fields = sorted((name.lower(), value) for name, value in self.headers.items())
        lines = [
            "CLIENT VALUES:",
            f"client_address={self.client_address[0]}",
            f"command={self.command}",
            f"real path={self.path}",
            f"query={parts.query or 'nil'}",
            f"request_version={self.request_version.removeprefix('HTTP/')}",
            f"request_uri=http://{host}:{PORT}{self.path}",
            "",
            "SERVER VALUES:",
            f"server_version={SERVER}",
            "",
            "HEADERS RECEIVED:",
            *(f"{name}={value}" for name, value in fields),
            "BODY:",
        ]
        answer = "\n".join(lines).encode() + b"\n" + (body or b"-no body in request-")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = echo

    def log_message(self, form, *values):
        agent = self.headers.get("user-agent", "-") if hasattr(self, "headers") else "-"
        print(f'{self.client_address[0]} - - [{self.log_date_time_string()}] {form % values} "-" "{agent}"', flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        # The inherited one looks up the host's name, which takes seconds where no DNS answers.
        self.socket.setsockopt(1, 2, 1)  # SOL_SOCKET, SO_REUSEADDR
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", PORT


if __name__ == "__main__":
    Server(("0.0.0.0", PORT), Handler).serve_forever()
