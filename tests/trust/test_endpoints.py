"""Promises about the endpoints."""

import socket
from contextlib import ExitStack
from pathlib import Path

from tests.database.programs import environ
from tests.support.processes import free_port
from tests.support.serving import ServingProcess


def test_silent_clients_keep_no_probe_out_and_fill_no_log(tmp_path: Path) -> None:
    nowhere = {"DB_HOST": "127.0.0.1", "DB_PORT": str(free_port()), "DB_NAME": "d", "DB_USER": "u", "DB_PASSWORD": "p"}
    sidecar = ServingProcess(["serve"], tmp_path / "log", environ(nowhere), descriptors=256)
    sidecar.start(wait=False)
    with ExitStack() as stack:
        stack.callback(sidecar.kill)
        sidecar.wait_alive()
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", sidecar.port)))
        for _ in range(20):
            assert sidecar.get("/live") == (200, '{"alive": true}')
        assert sidecar.get("/metrics")[0] == 200
        assert sidecar.descriptors < 256
        assert len(sidecar.log) < 10_000
