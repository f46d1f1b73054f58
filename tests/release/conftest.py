"""Real parts for the tests of the chart, the bundle and the CRD, built before the first test that asks for them."""

from pathlib import Path

import pytest

from tests.release.helm import Helm
from tests.support.binaries import crdify, etcd, helm, kube_apiserver, monitoring_crds, olm


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test: a cold build takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        for prepare in (helm, olm, crdify, kube_apiserver, etcd, monitoring_crds):
            prepare()


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The real Helm, with folders of its own, and the chart of this checkout."""
    return Helm(tmp_path_factory.mktemp("helm"))
