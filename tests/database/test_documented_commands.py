"""Commands in the documents work: those of psql and dashdb on a real PostgreSQL, others as far as their options.

kubectl needs a cluster in the state that its entry describes: here it only judges its options.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from tests.database.programs import dashdb_here, environ
from tests.support.binaries import kubectl
from tests.support.database import Database
from tests.support.documented import ROOT, Documented, in_blocks, in_sentences, once
from tests.support.postgres import PostgresServer
from tests.support.postgres_parts import client

RUNS_ON_A_DATABASE = ("dashdb", "psql")
WALKED = ("README.md", "docs/tutorial.md")
"""Documents of which tests/cluster/test_tutorial.py runs each command, in order."""
IN_ORDER_ALONE = "docs/tutorial.md"
"""The document whose commands make sense in their order alone."""
NEEDS_A_CLUSTER = ("kubectl", "helm", "oc", "operator-sdk")
NEEDS_A_RELEASE = ("sha256sum", "cosign", "gh", "docker")
NEEDS_A_SHELL = ("cd", "eval", "export", "value()")
NEEDS_A_NETWORK = ("curl", "pip")
READ_BY_THEIR_PARSER = ("make", "python")
NO_COMMANDS = {"squash -> verify -> run -> catalog -> history -> plan -> files -> sql", "-- dashdb:no-transaction"}
OWNER = "perses"
CREATE_ROLE = "CREATE ROLE perses LOGIN PASSWORD 'choose-one'"
CREATE = "CREATE DATABASE perses OWNER perses TEMPLATE template0 LC_CTYPE 'C.UTF-8'"
FAILS = {
    f'psql -c "{CREATE_ROLE}"': "already exists",
    f'psql -c "{CREATE}"': "already exists",
    f'psql -U postgres -d postgres -c "{CREATE}"': "already exists",
    """psql -d postgres -c 'DROP DATABASE "NAME" WITH (FORCE)'""": "does not exist",
}
"""Commands of psql that mend what is not broken here, and what they say then."""
EXIT_CODES = {
    "migrate down 1": 2,  # asks, and here is no terminal
    "migrate squash 5": 2,  # there is no version 5
}
ENTRIES = ("docs/runbooks.md", "docs/troubleshooting.md")
ENDLESS = ("serve", "operator")


def commands(*programs: str) -> list[Documented]:
    """Return the commands of code blocks, and of the entries of troubleshooting and runbooks."""
    inside = [each for each in in_sentences(programs) if each.document in ENTRIES]
    blocks = [each for each in in_blocks() if each.document != IN_ORDER_ALONE and each.program in programs]
    return once([*blocks, *inside])


def whole(command: Documented) -> bool:
    """Return False for the name of a command in a sentence, such as `dashdb roles`."""
    confirms = re.search(rf"^- Confirm:.*{re.escape(f'`{command.text}`')}", TROUBLESHOOTING, re.MULTILINE)
    return bool(confirms) or command.text in {each.text for each in in_blocks()}


TROUBLESHOOTING = (ROOT / "docs/troubleshooting.md").read_text()
PSQL = [each for each in commands("psql") if "-c" in each.words and r"\password perses" not in each.words]
"""All but the one that asks for a password at a terminal."""
KUBECTL = [each for each in commands("kubectl") if each.words[1] != "dashdb"]
"""Of kubectl itself; tests/unit/cli/test_documentation.py has those of the plugin."""
DASHDB = [each for each in commands("dashdb") if whole(each) and each.words[1] not in ENDLESS]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that these commands may change as they like; with a database to copy that is migrated and seeded."""
    with PostgresServer(18, tls=True) as server:
        seeded = server.create_database("seeded", owner=OWNER)
        for arguments in (("migrate", "up"), ("templates", "seed")):
            assert dashdb_here(seeded.environ, *arguments).exit_code == 0
        server.psql(server.superuser, sql=f"ALTER ROLE {OWNER} CREATEDB CREATEROLE")
        yield server


@pytest.fixture
def perses(server: PostgresServer) -> Iterator[Database]:
    """A copy of that database, with the name that the documents use."""
    made = server.create_database("perses", owner=OWNER, options="TEMPLATE seeded")
    yield made
    server.drop_database(made)


@pytest.mark.parametrize("command", PSQL, ids=lambda each: each.text)
def test_psql_understands_its_commands(
    command: Documented, perses: Database, server: PostgresServer, tmp_path: Path
) -> None:
    logins = tmp_path / "logins"
    logins.write_text(f"*:*:*:{OWNER}:{perses.password}\n*:*:*:postgres:{server.superuser.password}\n")
    logins.chmod(0o600)
    login = {"PGHOST": str(server.folder), "PGPORT": str(perses.port), "PGDATABASE": "perses", "PGUSER": OWNER}
    done = subprocess.run(
        [str(client("psql")), "-X", "-v", "ON_ERROR_STOP=1", *command.words[1:]],
        env=environ(login | {"PGPASSFILE": str(logins)}),
        capture_output=True,
        text=True,
        check=False,
    )
    expected = FAILS.get(command.text)
    assert (done.returncode == 0) == (expected is None), done.stderr
    assert expected is None or expected in done.stderr


@pytest.mark.parametrize("command", DASHDB, ids=lambda each: each.text)
def test_dashdb_does_what_the_documents_say(
    command: Documented, perses: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    monkeypatch.chdir(tmp_path)
    arguments = command.words[1:]
    done = dashdb_here(perses.environ, *arguments)
    expected = next((code for begin, code in EXIT_CODES.items() if " ".join(arguments).startswith(begin)), 0)
    assert done.exit_code == expected, done.output


@pytest.mark.parametrize("command", KUBECTL, ids=lambda each: each.text)
def test_kubectl_knows_the_options_of_its_commands(command: Documented) -> None:
    own = takewhile(lambda word: word != "--", command.words[1:])  # what follows is for a container
    done = subprocess.run([kubectl(), *own, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command", [each for each in once(in_blocks()) if each.program == "python"], ids=lambda e: e.text
)
def test_a_benchmark_knows_its_options(command: Documented) -> None:
    done = subprocess.run(
        [sys.executable, *command.words[1:], "--help"], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_make_has_every_target_of_the_documents() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {each.words[1] for each in [*in_blocks(), *in_sentences(("make",))] if each.program == "make"}
    assert "demo" in told
    assert told - targets == set()


def test_every_line_of_a_code_block_runs_here_or_says_what_it_needs() -> None:
    elsewhere = {*NEEDS_A_CLUSTER, *NEEDS_A_RELEASE, *NEEDS_A_SHELL, *NEEDS_A_NETWORK}
    known = {*RUNS_ON_A_DATABASE, *READ_BY_THEIR_PARSER} | elsewhere
    lines = [each for each in in_blocks() if each.document not in WALKED]
    assert [each for each in lines if each.program not in known and each.text not in NO_COMMANDS] == []


def test_there_are_commands_to_run() -> None:
    assert len(PSQL) > 50
    assert {"dashdb migrate up", "dashdb migrate drift"} <= {each.text for each in DASHDB}
