"""Tells each request back, in the words of echoserver 1.10 (which is nginx with a few lines of Lua)."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PORT = 8080
SERVER = "nginx: 1.13.3 - lua: 10008"  # what the original says of itself; this is Python
MOST_BYTES = 1 << 20

POD = (
    ("node name", "NODE_NAME"),
    ("pod name", "POD_NAME"),
    ("pod namespace", "POD_NAMESPACE"),
    ("pod IP", "POD_IP"),
)


def pod_information():
    known = [f"\t{label}:\t{os.environ[name]}" for label, name in POD if os.environ.get(name)]
    return known or ["\t-no pod information available-"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "echoserver"
    timeout = 60

    def echo(self):
        length = self.headers.get("content-length", "0")
        body = self.rfile.read(min(int(length), MOST_BYTES)) if length.isdigit() else b""
        host = self.headers.get("host", "").split(":")[0] or self.connection.getsockname()[0]
        fields = sorted((name.lower(), value) for name, value in self.headers.items())
        lines = [
            "",
            "",
            f"Hostname: {os.environ.get('HOSTNAME', '')}",
            "",
            "Pod Information:",
            *pod_information(),
            "",
            "Server values:",
            f"\tserver_version={SERVER}",
            "",
            "Request Information:",
            f"\tclient_address={self.client_address[0]}",
            f"\tmethod={self.command}",
            f"\treal path={self.path}",
            f"\tquery={urlsplit(self.path).query}",
            f"\trequest_version={self.request_version.removeprefix('HTTP/')}",
            "\trequest_scheme=http",
            f"\trequest_uri=http://{host}:{PORT}{self.path}",
            "",
            "Request Headers:",
            *(f"\t{name}={value}" for name, value in fields),
            "",
            "Request Body:",
        ]
        answer = "\n".join(lines).encode() + b"\n" + (body or b"\t-no body in request-") + b"\n\n"
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
