"""Runner that brings a database to a version, file by file, and waits for locks."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

from controller.database.connection import Connection, OpenConnection
from controller.database.located_schema import LocatedSchema
from controller.database.schema import foreign_relation, predefined_roles_own, too_many_foreign_relations
from controller.database.schema_queries import MOST_RELATIONS
from controller.errors import MigrationLocked
from controller.migrate.catalog.snapshot import record_statements
from controller.migrate.files.migration import Migrations
from controller.migrate.history.editor import HistoryEditor, lock_out_golang_migrate
from controller.migrate.history.encoding import Replaced, refuse_missing_characters, replaced_characters
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.lock_retry import LockedByTable, retry_while_locked
from controller.migrate.history.read import history_location, locate_history, read_history_at
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.make_plan import awaits_adoption, make_plan
from controller.migrate.plan.model import EMPTY, Direction, History, Plan, Step, shown_version
from controller.migrate.run.attempt import MigrationAttempt, Progress
from controller.migrate.run.blockers import BlockerMonitor
from controller.migrate.run.file_batch import FileBatch, file_batches, run_file_batch
from controller.migrate.run.in_transaction import TransactionRefused, run_in_transaction
from controller.migrate.run.without_transaction import refuse_pooler, run_without_transaction
from controller.migrate.sql.names import mentioned
from controller.runtime.fence import Fence, unfenced


@dataclass(frozen=True, slots=True)
class Runner:
    """Runner of migration files over one connection. Others may run at the same time; each file is run by only one.

    Attributes:
        open_connection: opens a second connection, which finds sessions that block the first.
        fence: asked before each try of a file or a batch of files. A file under way is finished without it: its lock
            keeps every other runner out, so that nobody else can have run it.
    """

    connection: Connection
    settings: RunSettings
    progress: Progress
    open_connection: OpenConnection
    fence: Fence = unfenced

    async def run(
        self,
        migrations: Migrations,
        target: int | None,
        *,
        agreed: str | None = None,
        located: LocatedSchema | None = None,
    ) -> Plan:
        """Bring the database to version `target` (None: the newest).

        Args:
            agreed: digest of the plan that somebody approved; another plan is not run.
            located: the schema as it was checked a moment ago; None to check it now.

        Returns:
            The steps that this runner ran itself; its target is the version at the end.

        Raises:
            MigrationFailed: PostgreSQL refused a statement; nothing of its file remains, and earlier files stay.
            SchemaDirty: a file without a transaction stopped half-way.
            ConfigurationError: a file needs a session of its own, but there is a pooler; or see `make_plan`.
            MigrationLocked: another runner, or another session's lock on a table, did not end in time; or another
                runner changed the version while this one was reverting.
            HistoryMismatch, SchemaAhead: see `make_plan`.
            ForeignObject: see `locate_schema`; or a file names a table of another role.
            NotLeading: see `fence`; files that were applied before stay, and nothing is half done.
        """
        async with AsyncExitStack() as stack:
            location, history = await self._read_for_files(located)
            if awaits_adoption(history):
                await stack.enter_async_context(
                    lock_out_golang_migrate(self.open_connection, location, self.settings, self.progress.waiting)
                )
                location, history = await self._read()  # a run of golang-migrate that was under way looks dirty
            plan = self._plan(location, migrations, history, target)
            if agreed is not None and plan.sha256 != agreed:
                raise _overtaken(plan.current)
            replaced = await self._read_files(plan)
            _refuse_foreign_relations(plan, location)
            if plan.adopts:
                await self.fence()
                editor = HistoryEditor(self.connection, self.settings, self.progress.waiting, record_statements)
                await editor.adopt(migrations, location, history)
                location, _ = await self._read()
            return await self._run_plan(location, plan, migrations, target, replaced)

    async def _read_files(self, plan: Plan) -> Replaced:
        """Split every file before any is run, so that an invalid one stops the whole plan."""
        scripts = [script for step in plan.steps for script in step.migration.scripts]
        for script in scripts:
            _ = script.statements
        replaced = await replaced_characters(self.connection, [step.migration for step in plan.steps])
        await refuse_missing_characters(self.connection, scripts, replaced)
        return replaced

    async def _run_plan(
        self, location: HistoryLocation, first: Plan, migrations: Migrations, target: int | None, replaced: Replaced
    ) -> Plan:
        done: list[Step] = []
        plan = first
        while plan.steps:
            done += await self.run_steps(location, plan, replaced)
            location, history = await self._read_after(location)
            plan = self._plan(location, migrations, history, target)
            if not _is_rest_of(first, plan):
                break
        return Plan(first.current, plan.current, tuple(done), first.adopts)

    async def _read_for_files(self, located: LocatedSchema | None) -> tuple[HistoryLocation, History]:
        if located is None or await predefined_roles_own(self.connection):
            return await self._read(for_files=True)
        location = history_location(located)
        return location, await read_history_at(self.connection, location)

    async def _read(self, *, for_files: bool = False) -> tuple[HistoryLocation, History]:
        location = await locate_history(self.connection, self.settings.schema, for_files=for_files)
        return location, await read_history_at(self.connection, location)

    async def _read_after(self, location: HistoryLocation) -> tuple[HistoryLocation, History]:
        """Read the history after a run; where it is most likely is cheaper than where it is."""
        expected = replace(location, has_history=True)
        history = await read_history_at(self.connection, expected)
        return (expected, history) if history else await self._read()

    def _plan(self, location: HistoryLocation, migrations: Migrations, history: History, target: int | None) -> Plan:
        return make_plan(
            migrations, history, target, out_of_order=self.settings.out_of_order, database=location.identity
        )

    async def run_steps(self, location: HistoryLocation, plan: Plan, replaced: Replaced) -> list[Step]:
        """Run the steps of a plan; return those done, which are fewer if another runner changed the version."""
        alone = next((step for step in plan.steps if not step.transactional), None)
        if alone is not None:  # refused before any file is applied
            await refuse_pooler(self.connection, alone)
        done: list[Step] = []
        ahead = [*file_batches(self._attempts(location, plan, replaced))]
        for file_batch, following in zip(ahead, [*ahead[1:], None], strict=True):
            rest = file_batch.runs if file_batch.single else await self._run_file_batch(file_batch, following)
            done += [run.step for run in file_batch.runs[: len(file_batch.runs) - len(rest)]]
            for run in rest:
                if not await self._run_step(run):
                    return done
                done.append(run.step)
        return done

    def _attempts(self, location: HistoryLocation, plan: Plan, replaced: Replaced) -> Iterator[MigrationAttempt]:
        """Yield an attempt for each step, which assumes that the steps before it succeed."""
        expected = plan.current
        for step, following in zip(plan.steps, [*plan.steps[1:], None], strict=True):
            leads_to, last = _version_after(step, following, plan, expected), following is None
            yield MigrationAttempt(
                self.connection,
                self.settings,
                self.progress,
                location,
                step,
                expected,
                leads_to,
                last,
                replaced=replaced,
            )
            expected, location = leads_to, replace(location, has_history=leads_to > EMPTY or location.keeps_history)

    async def _run_file_batch(self, file_batch: FileBatch, following: FileBatch | None) -> tuple[MigrationAttempt, ...]:
        """Run a batch of files; return those that are left to run one by one."""
        await self.fence()
        async with self._monitor(file_batch.runs[0].location, file_batch.label):
            return await run_file_batch(file_batch, following)

    def _monitor(self, location: HistoryLocation, label: str) -> BlockerMonitor:
        return BlockerMonitor(
            self.open_connection, location, self.settings.lock_timeout_ms, partial(self.progress.waiting, label)
        )

    async def _run_step(self, run: MigrationAttempt) -> bool:
        """Run one file, again while a lock is held; return False if the database is not at the expected version."""
        if run.step.transactional:
            try:
                return await self._retry(run, run_in_transaction, otherwise="Nothing of it was applied.")
            except TransactionRefused:
                await refuse_pooler(self.connection, run.step)
        return await self._retry(run, run_without_transaction, otherwise="What it has done stays.")

    async def _retry(
        self, run: MigrationAttempt, apply: Callable[[MigrationAttempt], Awaitable[bool]], *, otherwise: str
    ) -> bool:
        """Call `apply`, again while a lock is held.

        Args:
            otherwise: text that says what is in the database if the lock is not free in time.
        """

        async def attempt(retries: int) -> bool:
            await self.fence()
            async with self._monitor(run.location, run.step.label) as monitor:
                try:
                    return await apply(replace(run, retries=run.retries + retries))
                except LockedByTable as lock:
                    raise LockedByTable(monitor.blocked_by or str(lock)) from None

        given_up = f"{run.step.label}: gave up waiting for {{who}}. {otherwise}"
        waiting = partial(self.progress.waiting, run.step.label)
        return await retry_while_locked(attempt, self.settings, waiting, given_up=given_up)


def _overtaken(version: int) -> MigrationLocked:
    return MigrationLocked(
        f"Another runner brought the database to version {shown_version(version)} in the meantime. Check it, and run "
        "again.",
        reason="MigrationOvertaken",
    )


def _refuse_foreign_relations(plan: Plan, location: HistoryLocation) -> None:
    """Raise ForeignObject for a file that may use a table of another role, whose triggers would run as our role."""
    owners = dict(location.foreign_relations)
    if not owners:
        return
    if plan.steps and len(owners) > MOST_RELATIONS:
        raise too_many_foreign_relations(location.schema)
    for step in plan.steps:
        for name in sorted(mentioned(step.script.text, owners)):
            raise foreign_relation(name, owners[name], step.label)


def _is_rest_of(first: Plan, plan: Plan) -> bool:
    """Return whether `plan` continues `first`; False if another runner went past the target of an `up`.

    Raises:
        MigrationLocked: reverting would now revert or apply more than was asked for.
    """
    if not first.reverts:
        return not plan.reverts
    asked = {(step.migration.version, step.direction) for step in first.steps}
    if any((step.migration.version, step.direction) not in asked for step in plan.steps):
        raise _overtaken(plan.current)
    return True


def _version_after(step: Step, following: Step | None, plan: Plan, before: int) -> int:
    if step.direction is Direction.UP:
        return max(before, step.migration.version)  # out of order, the highest version does not change
    return plan.target if following is None else following.migration.version
