"""State of a schema in one message: inventory, history, rows of the system templates."""

from dataclasses import dataclass

from controller.database.connection import Connection
from controller.database.failures import DRIVER_ERRORS
from controller.database.located_schema import LocatedSchema
from controller.database.questions import ask
from controller.errors import DashdbError
from controller.migrate.catalog.inventory import Inventory, inventory_from, inventory_question
from controller.migrate.history.read import history_from, history_location, history_question
from controller.migrate.plan.model import History
from controller.reconcile.state_question import has_its_tables, state_question
from controller.templates.merge import TemplateRow, UnreadableRow
from controller.templates.seeding import TABLE, rows_from, table_in, templates_question


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Answers that one message brings of a schema; None for each that was not asked for, or that it does not bring.

    Attributes:
        rows: digest of the rows of history and templates.
    """

    rows: str | None = None
    inventory: Inventory | None = None
    history: History | None = None
    templates: tuple[TemplateRow | UnreadableRow, ...] | None = None


async def read_state(connection: Connection, schema: LocatedSchema, *, whole: bool) -> SchemaState:
    """Return what a schema holds, as far as one message brings it; nothing where one of the questions fails.

    Whoever needs what is missing reads it by itself, and learns why it cannot be read.

    Args:
        whole: digest of the rows and inventory as well. After an action the next reconcile asks for them: a database
            is ready sooner without.
    """
    location = history_location(schema)
    questions: dict[str, str] = {}
    if whole and has_its_tables(schema) and not schema.suspicious:
        questions["rows"] = state_question(schema)  # before the rows are read, so that no change is missed
    if whole and location.has_history:  # else none was recorded
        questions["inventory"] = inventory_question(schema.name)
    if location.has_history:
        questions["history"] = history_question(location)
    if TABLE in schema.tables:
        questions["templates"] = templates_question(table_in(schema))
    if not questions:
        return SchemaState()
    try:
        answers = dict(zip(questions, (await ask(connection, *questions.values())).values, strict=True))
        inventory, history, templates = map(answers.get, ("inventory", "history", "templates"))
        return SchemaState(
            answers.get("rows"),
            inventory_from(inventory) if inventory is not None else None,
            history_from(history, location) if history is not None else None,
            rows_from(templates) if templates is not None else None,
        )
    except (*DRIVER_ERRORS, DashdbError):  # a table is locked or another one, or the server is gone
        return SchemaState()
