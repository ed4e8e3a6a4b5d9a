"""echoserver 1.4."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.image.catalogue.running import PYTHON, app, running


def test_echoserver_tells_the_request_back(tmp_path: Path) -> None:
    with running(tmp_path, *PYTHON, app("echoserver-1-4")) as echo:
        status, body = echo.request("GET", "/a?b=c")
        assert status == 200
        assert body == (
            "CLIENT VALUES:\nclient_address=127.0.0.1\ncommand=GET\nreal path=/a?b=c\nquery=b=c\nrequest_version=1.1\n"
            "request_uri=http://app:8080/a?b=c\n\nSERVER VALUES:\nserver_version=nginx: 1.10.0 - lua: 10001\n\n"
            "HEADERS RECEIVED:\naccept=*/*\naccept-encoding=identity\nhost=app:8080\nuser-agent=test\nBODY:\n"
            "-no body in request-"
        )
        assert echo.request("POST", "/", b"sent")[1].endswith("BODY:\nsent")
