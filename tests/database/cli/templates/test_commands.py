"""`dashdb templates` against a real database: what it shows, what it writes, and its exit codes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from controller.cli import root
from tests.database.template_rows import NOTEBOOK, SHIPPED, next_release
from tests.support.database import Database
from tests.support.postgres import PostgresServer

ROWS = "SELECT id, xmin, md5(t::text) FROM dashboard_template t ORDER BY id"
EDIT = f"UPDATE dashboard_template SET description = 'Ours.' WHERE id = '{NOTEBOOK}'"
TAKE_NAME = (
    "INSERT INTO dashboard_template (id, name, category, doc, created_by) "
    f"SELECT 'mine', '{next(t.name for t in SHIPPED if t.id == NOTEBOOK)}', 'custom', '{{}}', 'alice'"
)


class Commands:
    """Runs `dashdb`, in this process, on one database."""

    def __init__(self, server: PostgresServer, database: Database) -> None:
        self.server = server
        self.database = database

    @property
    def environ(self) -> dict[str, str | None]:
        return {"DATABASE_URL": None, **self.database.environ}

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(root, arguments, env=self.environ)

    def json(self, *arguments: str) -> Any:
        return json.loads(self("templates", *arguments, "--json").stdout)

    def sql(self, text: str) -> str:
        return self.server.psql(self.database, sql=text, args=("-At",))


@pytest.fixture
def dashdb(postgres: PostgresServer, database: Database) -> Commands:
    return Commands(postgres, database)


@pytest.fixture
def migrated(dashdb: Commands) -> Commands:
    assert dashdb("migrate", "up").exit_code == 0
    return dashdb


@pytest.fixture
def seeded(migrated: Commands) -> Commands:
    assert migrated("templates", "seed").exit_code == 0
    return migrated


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that turns the program into a later release, with other documents."""
    return lambda: monkeypatch.setattr("controller.cli.templates.commands.shipped_templates", next_release)


def lines(result: Result) -> list[list[str]]:
    """Words of each row of the table."""
    return [line.split() for line in result.stdout.splitlines()[1 : 1 + len(SHIPPED)]]


def test_seeding_tells_what_it_wrote_and_a_second_run_writes_nothing(migrated: Commands) -> None:
    first = migrated("templates", "seed")
    rows = migrated.sql(ROWS)
    second = migrated("templates", "seed")
    assert (first.exit_code, first.stderr, second.exit_code) == (0, "", 0)
    assert first.stdout.splitlines() == [f"inserted {template.id} {template.version}" for template in SHIPPED]
    assert second.stdout == "Nothing was written.\n"
    assert migrated.sql(ROWS) == rows


def test_the_list_shows_each_state_with_both_versions(seeded: Commands, upgrade: Callable[[], None]) -> None:
    assert {tuple(line[1:4]) for line in lines(seeded("templates", "list"))} == {("Current", "1.0.0", "1.0.0")}
    upgrade()
    seeded.sql(EDIT)
    listed = seeded("templates", "list")
    assert listed.stdout.splitlines()[-1].startswith(f"{NOTEBOOK}: the row was edited")
    shown = {line[0]: tuple(line[1:4]) for line in lines(listed)}
    assert list(shown) == [template.id for template in SHIPPED]
    assert shown.pop(NOTEBOOK) == ("Customized", "1.0.0", "1.1.0")
    assert set(shown.values()) == {("Outdated", "1.0.0", "1.1.0")}


def test_the_list_for_machines_speaks_as_the_resources_status_does(migrated: Commands) -> None:
    found = migrated.json("list")["templates"]
    assert [(each["name"], each["state"], each["version"], each["shipped_version"]) for each in found] == [
        (template.id, "Missing", None, template.version) for template in SHIPPED
    ]


def test_the_diff_shows_what_seeding_would_change_and_changes_nothing(
    seeded: Commands, upgrade: Callable[[], None]
) -> None:
    upgrade()
    rows = seeded.sql(ROWS)
    shown = seeded("templates", "diff")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert f"--- {NOTEBOOK} 1.0.0 (database)\n+++ {NOTEBOOK} 1.1.0 (shipped)\n@@ template @@\n" in shown.stdout
    assert '-version: "1.0.0"\n+version: "1.1.0"\n' in shown.stdout
    assert '"new"\n' in shown.stdout
    assert seeded.sql(ROWS) == rows


def test_the_diff_of_an_edited_template_shows_the_edits_and_says_what_a_reset_would_do(seeded: Commands) -> None:
    edit = "jsonb_set(doc, '{spec,panels,disk_io,spec,plugin,spec,yAxis,min}', '1')"
    seeded.sql(f"UPDATE dashboard_template SET doc = {edit} WHERE id = '{NOTEBOOK}'")
    shown = seeded("templates", "diff")
    assert shown.stdout.splitlines() == [
        f"--- {NOTEBOOK} 1.0.0 (shipped)",
        f"+++ {NOTEBOOK} 1.0.0 (database)",
        "@@ panel disk_io @@",
        "           shortValues: true",
        '           unit: "bytes/sec"',
        "-        min: 0",
        "+        min: 1",
        "         show: true",
        "   queries:",
    ]
    assert f"dashdb templates seed --reset {NOTEBOOK}\n" in shown.stderr
    assert "The reset would write the lines with -" in shown.stderr
    assert shown.stderr.endswith("Nothing would change.\n")


def test_the_diff_of_a_hostile_row_cannot_write_to_the_terminal(seeded: Commands) -> None:
    key = "a\\u001b[2J\\nb"
    seeded.sql(f"""UPDATE dashboard_template SET doc = '{{"spec": {{"panels": {{"{key}": {{"{key}": "{key}"}}}}}}}}'""")
    shown = seeded("templates", "diff")
    assert "@@ panel a\N{REPLACEMENT CHARACTER}[2J b @@\n" in shown.stdout
    assert "\x1b" not in shown.output


def test_the_diff_is_coloured_on_a_terminal_alone(seeded: Commands) -> None:
    seeded.sql(EDIT)
    assert "\x1b[" not in seeded("templates", "diff").stdout
    on_a_terminal = CliRunner().invoke(root, ["templates", "diff"], env=seeded.environ, color=True).stdout
    assert '\x1b[32m+description: "Ours."' in on_a_terminal


def test_the_diff_of_a_missing_template_is_all_of_it(migrated: Commands) -> None:
    shown = migrated("templates", "diff").stdout
    assert shown.count("--- /dev/null") == len(SHIPPED)
    assert not [line for line in shown.splitlines() if line.startswith("-") and line != "--- /dev/null"]


def test_the_diff_tells_by_its_exit_code_only_where_that_is_asked_for(
    migrated: Commands, upgrade: Callable[[], None]
) -> None:
    assert migrated("templates", "diff").exit_code == 0
    assert migrated("templates", "diff", "--exit-code").exit_code == 8
    migrated("templates", "seed")
    done = migrated("templates", "diff", "--exit-code")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "Nothing would change.\n")
    upgrade()
    assert migrated("templates", "diff", "--exit-code", "--json").exit_code == 8


def test_the_diff_for_machines_is_one_object(seeded: Commands, upgrade: Callable[[], None]) -> None:
    seeded.sql(EDIT)
    assert seeded.json("diff")["changes"] is False
    upgrade()
    told = seeded.json("diff")
    assert told["changes"] is True
    actions = {each["name"]: each["action"] for each in told["templates"]}
    assert actions == {template.id: "None" if template.id == NOTEBOOK else "Upgrade" for template in SHIPPED}
    first = {each["name"]: each["diff"].splitlines()[0] for each in told["templates"]}
    assert first.pop(NOTEBOOK) == f"--- {NOTEBOOK} 1.1.0 (shipped)"
    assert first == {name: f"--- {name} 1.0.0 (database)" for name in first}


def test_an_edit_survives_and_is_told_with_the_version_that_it_lags_behind(
    seeded: Commands, upgrade: Callable[[], None]
) -> None:
    seeded.sql(EDIT)
    upgrade()
    told = seeded("templates", "diff").stderr
    done = seeded("templates", "seed")
    assert told.startswith(f"{NOTEBOOK}: the row was edited after it was seeded; it is kept and lags behind")
    assert done.exit_code == 0
    assert f"kept {NOTEBOOK}: the row was edited" in done.stdout
    assert done.stdout.count("upgraded template-") == len(SHIPPED) - 1
    assert seeded.sql(f"SELECT description FROM dashboard_template WHERE id = '{NOTEBOOK}'").strip() == "Ours."


def test_a_reset_gives_back_the_shipped_template_and_a_second_one_writes_nothing(seeded: Commands) -> None:
    before = seeded.sql("SELECT doc, description FROM dashboard_template ORDER BY id")
    seeded.sql(EDIT)
    first = seeded("templates", "seed", "--reset", NOTEBOOK)
    assert (first.exit_code, first.stdout, first.stderr) == (0, f"reset {NOTEBOOK} 1.0.0\n", "")
    assert seeded.sql("SELECT doc, description FROM dashboard_template ORDER BY id") == before
    rows = seeded.sql(ROWS)
    second = seeded("templates", "seed", "--reset", NOTEBOOK)
    assert second.stdout == f"kept {NOTEBOOK}: the row is what is shipped\nNothing was written.\n"
    assert seeded.sql(ROWS) == rows


def test_several_templates_can_be_reset_at_once(seeded: Commands) -> None:
    seeded.sql("UPDATE dashboard_template SET description = 'Ours.'")
    names = [template.id for template in SHIPPED[:2]]
    told = seeded.json("seed", "--reset", names[0], "--reset", names[1])
    assert [each["performed"] for each in told["templates"]] == ["Reset", "Reset", "None", "None"]


def test_a_reset_of_what_is_no_system_template_is_a_usage_error_that_lists_them(seeded: Commands) -> None:
    seeded.sql(EDIT)
    rows = seeded.sql(ROWS)
    refused = seeded("templates", "seed", "--reset", NOTEBOOK, "--reset", "notebook")
    assert (refused.exit_code, refused.stdout) == (2, "")
    listed = ", ".join(template.id for template in SHIPPED)
    assert f'"notebook" is no system template; write one of: {listed}.' in refused.stderr
    assert seeded.sql(ROWS) == rows


def test_a_reset_that_a_custom_template_prevents_ends_with_1(seeded: Commands) -> None:
    seeded.sql(f"UPDATE dashboard_template SET name = 'Ours' WHERE id = '{NOTEBOOK}'")
    seeded.sql(TAKE_NAME)
    rows = seeded.sql(ROWS)
    refused = seeded("templates", "seed", "--reset", NOTEBOOK)
    assert (refused.exit_code, seeded.sql(ROWS)) == (1, rows)
    assert f"kept {NOTEBOOK}: " in refused.stdout


def test_a_name_that_is_taken_ends_seeding_with_1_and_the_others_are_written(migrated: Commands) -> None:
    migrated.sql(TAKE_NAME)
    done = migrated("templates", "seed")
    assert done.exit_code == 1
    assert f"kept {NOTEBOOK}: the name " in done.stdout
    assert done.stdout.count("inserted template-") == len(SHIPPED) - 1
    assert migrated("templates", "list").exit_code == 0


def test_seeding_for_machines_tells_what_was_performed(migrated: Commands) -> None:
    first, second = migrated.json("seed"), migrated.json("seed")
    assert {each["performed"] for each in first["templates"]} == {"Insert"}
    assert {(each["performed"], each["state"]) for each in second["templates"]} == {("None", "Current")}


@pytest.mark.parametrize("verb", ["list", "diff", "seed"])
def test_a_database_that_was_never_migrated_gets_one_clear_error(dashdb: Commands, verb: str) -> None:
    refused = dashdb("templates", verb)
    assert (refused.exit_code, refused.stdout) == (1, "")
    where = 'There is no table dashboard_template in schema "public".'
    assert refused.stderr == f"TemplateTableMissing: {where} Make it with: dashdb migrate up\n"
    assert dashdb.json(verb)["error"] == "TemplateTableMissing"
    assert 'There is no schema "nope" in this database.' in dashdb("templates", verb, "--schema", "nope").stderr


def test_another_schema_may_be_named(dashdb: Commands) -> None:
    dashdb.sql('CREATE SCHEMA "Boards"')
    assert dashdb("migrate", "up", "--schema", "Boards").exit_code == 0
    assert dashdb("templates", "seed").exit_code == 1
    assert dashdb("templates", "seed", "--schema", "Boards").exit_code == 0
    assert dashdb.sql('SELECT count(*) FROM "Boards".dashboard_template').strip() == str(len(SHIPPED))
    assert dashdb("templates", "diff", "--schema", "Boards", "--exit-code").exit_code == 0


def test_no_option_is_offered_that_means_nothing_to_templates(dashdb: Commands) -> None:
    for verb in ("list", "diff", "seed"):
        shown = dashdb("templates", verb, "--help")
        assert shown.exit_code == 0
        assert f"dashdb templates {verb}" in shown.stdout
        assert "--path" not in shown.stdout
        assert "--lock-timeout" not in shown.stdout


@pytest.mark.parametrize("value", ["1e5000", "[" * 3000 + "]" * 3000], ids=["a large number", "deep nesting"])
def test_a_row_that_cannot_be_read_is_named_with_the_reason_and_kept(seeded: Commands, value: str) -> None:
    seeded.sql(f"UPDATE dashboard_template SET doc = jsonb_set(doc, '{{x}}', '{value}') WHERE id = '{NOTEBOOK}'")
    before = seeded.sql(ROWS)
    reason = f"{NOTEBOOK}: the row holds a number or a nesting of JSON that cannot be read here"
    listed, diff, seed = (seeded("templates", command) for command in ("list", "diff", "seed"))
    assert [row[1] for row in lines(listed)].count("Unreadable") == 1
    assert reason in listed.output
    assert reason in diff.output
    assert f"kept {reason}" in seed.output
    assert (listed.exit_code, diff.exit_code, seed.exit_code) == (0, 0, 1)
    assert seeded.sql(ROWS) == before
