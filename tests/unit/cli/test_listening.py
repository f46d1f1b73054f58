"""Options of the web server, before it starts."""

from pathlib import Path

import pytest

from controller.cli.common import Address
from controller.cli.listening import Endpoint
from controller.errors import ConfigurationError

HERE = Address("127.0.0.1", 0)


def test_without_a_certificate_it_is_plain_http() -> None:
    assert Endpoint.of(HERE, None, None) == Endpoint(HERE, None)


@pytest.mark.parametrize(("certificate", "key"), [(Path("tls.crt"), None), (None, Path("tls.key"))])
def test_half_of_a_pair_is_one_clear_error(certificate: Path | None, key: Path | None) -> None:
    with pytest.raises(ConfigurationError, match="belong together"):
        Endpoint.of(HERE, certificate, key)


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"/nowhere/tls\.crt: cannot be read"):
        Endpoint.of(HERE, Path("/nowhere/tls.crt"), Path("/nowhere/tls.key"))
