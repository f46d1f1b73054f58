"""README and tutorial are walked through in an empty folder: each command in order, as written, in one shell.

What needs a program that is not here is listed by its text, with what takes its place. A command that is neither run
nor listed fails the test.
"""

import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from controller import __version__
from tests.support.binaries import kubectl
from tests.support.checkout import checkout
from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT
from tests.support.postgres import PostgresServer
from tests.support.postgres_parts import client
from tests.support.processes import free_port
from tests.support.serving import OperatorProcess
from tests.support.walked import (
    Ended,
    Shell,
    Step,
    Walk,
    bare_environ,
    python_of_the_machine,
    steps,
    write_programs,
)

CHECKOUT = "dashboard-database-operator"
SERVER = "docker run --detach --name trial-postgres --publish 5432:5432 --env POSTGRES_PASSWORD=trial postgres:18"
CREATE = """psql -c "CREATE DATABASE perses OWNER perses TEMPLATE template0 LC_CTYPE 'C.UTF-8'\""""

TUTORIAL = steps((ROOT / "docs/tutorial.md").read_text())
ADDRESS = (
    "export DATABASE_HOST=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' trial-postgres)"
)
ROLLOUT = f"kubectl rollout status deployment/{CHECKOUT} --namespace dashdb-system --timeout 120s"
OF_DOCKER_AND_KIND = (
    SERVER,
    "kind create cluster",
    f"docker build --tag {CHECKOUT}:{__version__} .",
    f"kind load docker-image {CHECKOUT}:{__version__}",
    "docker network connect kind trial-postgres",
    "kind delete cluster",
    "docker rm --force --volumes trial-postgres",
)
OF_OPENSHIFT = (
    "oc new-project dashdb-images",
    f"oc new-build --binary --strategy docker --name {CHECKOUT} --to {CHECKOUT}:{__version__}",
    f"oc start-build {CHECKOUT} --from-dir . --follow",
    "oc policy add-role-to-group system:image-puller system:serviceaccounts:dashdb-system",
    "oc apply -k manifests/openshift/",
    "export IMAGES=image-registry.openshift-image-registry.svc:5000/dashdb-images",
    f"oc set image deployment/{CHECKOUT} operator=$IMAGES/{CHECKOUT}:{__version__} -n dashdb-system",
    f"oc rollout status deployment/{CHECKOUT} --namespace dashdb-system --timeout 120s",
    "oc new-project team-a",
    "oc new-app --name trial-postgres --image quay.io/sclorg/postgresql-16-c9s \\\n"
    "    --env POSTGRESQL_USER=perses --env POSTGRESQL_PASSWORD=choose-one --env POSTGRESQL_DATABASE=perses",
    "export DATABASE_HOST=trial-postgres PGPORT=5432",
)
"""The commands that stand in the place of those for kind, with the variables that they set."""

README = steps((ROOT / "README.md").read_text())
FIRST = "git clone REPOSITORY dashboard-database-operator && cd dashboard-database-operator"
"""The command of README from which on it is a walk."""
HELM = (
    f"helm install {CHECKOUT} charts/{CHECKOUT} --namespace dashdb-system \\\n"
    f"      --create-namespace --set image.repository=registry.example.com/{CHECKOUT}"
)
BEFORE_THE_WALK = ["kubectl apply -f perses-db.yaml -f perses.yaml", "kubectl get ddb", "make demo"]
"""What README shows before it says how to get there; tests/demo is a walk of its own."""
NOT_A_SECOND_TIME = (HELM, "make test")
"""Commands of README that install again what is installed, or run this test."""
REFUSED = {
    """kubectl patch ddb perses --type merge -p '{"spec":{"schema":{"approvedPlan":"sha256:..."}}}'""": (
        "approvedPlan must be the hash from status.schema.plan.hash"
    ),
    "dashdb migrate down 1        # asks first: what version 1 created is dropped, with its data": (
        "there is no terminal to ask on"
    ),
    f"{'dashdb migrate lint --path ./migrations':<55} # what is risky in them; no database, but the extra `lint`": (
        "[empty-down]"
    ),
    "dashdb migrate squash 5 --path ./migrations": "Version 5 does not exist",
}
"""Commands of README that fail as they stand there, since they are for another state, and what they say then."""


@pytest.fixture
def cluster() -> Iterator[ControlPlane]:
    """A cluster of its own, in which nothing is installed yet."""
    with ControlPlane() as running:
        yield running


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of its own, on which there is no role `perses`."""
    with PostgresServer(18) as running:
        yield running


class Reader:
    """Somebody with an empty folder, a cluster and a server, and what takes the place of what is not here."""

    def __init__(self, cluster: ControlPlane, server: PostgresServer, folder: Path, stack: ExitStack) -> None:
        self._cluster = cluster
        self._server = server
        self._stack = stack
        self._operator_log = folder / "operator.log"
        self.empty, self.notes, home, repository = (folder / name for name in ("empty", "notes", "home", "repository"))
        for each in (self.empty, self.notes, home, repository):
            each.mkdir()
        checkout(repository)
        programs = {"kubectl": kubectl(), "python3": python_of_the_machine()}
        write_programs(folder / "programs", programs | {name: client(name) for name in ("psql", "pg_isready")})
        kubeconfig = shutil.copy(cluster.kubeconfig, home / "kubeconfig")
        environ = bare_environ(home, folder / "programs") | {"KUBECONFIG": str(kubeconfig)}
        port = free_port()
        values = {
            "git clone REPOSITORY": f"git clone --quiet {repository}",
            "PGPORT=5432 PGUSER=postgres PGPASSWORD=trial": (
                f"PGPORT={server.port} PGUSER=postgres PGPASSWORD={server.superuser.password}"
            ),
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            'host: postgres, port: "5432"': f'host: {server.host}, port: "{server.port}"',
        }
        self.walk = Walk(stack.enter_context(Shell(self.empty, self.notes, environ)), values)

    @property
    def checkout(self) -> Path:
        return self.empty / CHECKOUT

    def assert_that_ours_is_installed(self) -> None:
        """Check that `dashdb` is what was installed, and not what the tests themselves import."""
        done = self.walk.shell.run("(cd / && python -c 'import controller; print(controller.__file__)')")
        assert done.output[0].startswith(str(self.checkout / ".venv")), done.output

    def let_the_owner_make_more(self) -> None:
        """Give the owner of the database what README says that some of its commands need."""
        self._server.psql(self._server.superuser, sql="ALTER ROLE perses CREATEDB CREATEROLE")

    def applied(self, manifest: str) -> str:
        """Return a command that applies MANIFEST in a team's namespace, and waits until what it says is true."""
        file = self.notes / "manifest.yaml"
        file.write_text(manifest)
        there = "kubectl create namespace team-a && kubectl config set-context --current --namespace team-a"
        return f"{there} && kubectl apply -f {file} && kubectl wait --for condition=Ready ddb/perses --timeout 60s"

    def start_operator(self) -> None:
        """Start what the Deployment would run, with the account that was installed: no kubelet is here."""
        account = self._cluster.service_account_kubeconfig("dashdb-system", CHECKOUT)
        self._stack.enter_context(OperatorProcess(account, self._operator_log))


@pytest.fixture
def reader(cluster: ControlPlane, server: PostgresServer, tmp_path: Path) -> Iterator[Reader]:
    with ExitStack() as stack:
        yield Reader(cluster, server, tmp_path, stack)


def nothing() -> None:
    """Do nothing in the place of a command that needs a program which is not here."""


def without(listed: tuple[str, ...]) -> dict[str, Callable[[], None]]:
    return dict.fromkeys(listed, nothing)


@pytest.mark.timeout(300)
def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    reader.walk.instead = {
        **without(OF_DOCKER_AND_KIND),
        **without(OF_OPENSHIFT),
        ADDRESS: lambda: _set(reader, "DATABASE_HOST=127.0.0.1"),
        ROLLOUT: reader.start_operator,
    }
    reader.walk.after = {"pip install --quiet .": reader.assert_that_ours_is_installed}
    reader.walk.through(TUTORIAL)
    assert_all_ran_or_are_listed(TUTORIAL, reader.walk)
    built = reader.walk.shell.run("kubectl kustomize manifests/ | grep image:")
    assert [line.strip() for line in built.output] == [f"image: {CHECKOUT}:{__version__}"], "what was built and loaded"


@pytest.mark.timeout(300)
def test_readme_does_what_it_says(reader: Reader) -> None:
    walk = reader.walk
    walk.instead = {
        **without((SERVER, *NOT_A_SECOND_TIME)),
        **{text: partial(_assert_refused, walk.shell, text, words) for text, words in REFUSED.items()},
    }
    walk.after = {
        "python3 -m venv .venv && . .venv/bin/activate && pip install --quiet .": reader.assert_that_ours_is_installed,
        CREATE: reader.let_the_owner_make_more,
        "kubectl apply -k manifests/": reader.start_operator,
    }
    walk.blocks = {"yaml": reader.applied, "mermaid": lambda _: "true"}
    begin = [step.text for step in README].index(FIRST)
    assert [step.text for step in README[:begin]] == BEFORE_THE_WALK
    walk.through(README[begin:])
    assert_all_ran_or_are_listed(README[begin:], walk)


def assert_all_ran_or_are_listed(document: list[Step], walk: Walk) -> None:
    """Check that what is listed is in the DOCUMENT, and at least written as a shell reads it, and that all else ran."""
    texts = [step.text for step in document]
    assert [text for text in (*walk.instead, *walk.after) if text not in texts] == [], "listed, and not there"
    assert walk.ran == [text for text in texts if text not in walk.instead]
    for text in walk.instead:
        assert walk.shell.run(f"bash -n -c {shlex.quote(text)}") == Ended(0, ()), text


def _assert_refused(shell: Shell, command: str, words: str) -> None:
    done = shell.run(command)
    assert done.code != 0
    assert words in "\n".join(done.output)


def _set(reader: Reader, variable: str) -> None:
    assert reader.walk.shell.run(f"export {variable}").code == 0
