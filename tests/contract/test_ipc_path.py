"""What stands at a server's ipc path by the time that it ends may be another's."""

import socket
from pathlib import Path

import pytest

from programs import Stage

# A step removes the path whatever stands there.
pytestmark = [pytest.mark.transports("ipc"), pytest.mark.panels("raw", "zmq", "nanomsg", "nng")]
roles = pytest.mark.parametrize("role", ["rep", "pub"])


def path_of(url: str) -> Path:
    return Path(url[len("ipc://") :])


@roles
def test_a_file_that_replaced_the_path_stays(stage: Stage, role: str) -> None:
    url = stage.url()
    server = stage.driver(role, url)
    path_of(url).unlink()
    path_of(url).write_text("precious")
    server.must("close")
    assert path_of(url).read_text() == "precious"


@roles
def test_a_successors_path_stays(stage: Stage, role: str) -> None:
    url = stage.url()
    server = stage.driver(role, url)
    path_of(url).unlink()
    successor = stage.driver(role, url)
    server.must("close")
    assert path_of(url).is_socket()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path_of(url)))
    successor.must("close")
    assert not path_of(url).exists()


@pytest.mark.panels("raw", "nanomsg", "nng")  # ZeroMQ takes it: ./triptych lab stolen-address
@roles
def test_the_path_of_a_live_server_is_not_taken(stage: Stage, role: str) -> None:
    url = stage.url()
    server = stage.driver(role, url)
    before = path_of(url).stat().st_ino
    line = stage.driver().call(f"open {role} {url}")
    assert (line["result"], line["errno"]) == (-1, "EADDRINUSE")
    assert path_of(url).stat().st_ino == before
    server.must("close")
    assert not path_of(url).exists()
