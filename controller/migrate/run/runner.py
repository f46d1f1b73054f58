"""Brings a database to a version: file by file, never two runners, patient with locks."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

from controller.database.connection import Connection
from controller.errors import MigrationLocked
from controller.migrate.files.folder import Migrations
from controller.migrate.history.editor import Clerk, kept_out
from controller.migrate.history.lock_retry import LockedByTable, patiently
from controller.migrate.history.read import Place, find_place, read_history_at
from controller.migrate.plan.make_plan import Direction, History, Plan, Step, awaits_adoption, make_plan
from controller.migrate.run.attempt import FileRun, Progress, RunSettings
from controller.migrate.run.blockers import Beside, Watch
from controller.migrate.run.file_batch import Bundle, bundles, run_bundle
from controller.migrate.run.in_transaction import run_in_transaction
from controller.migrate.run.without_transaction import refuse_pooler, run_stepwise


@dataclass(frozen=True, slots=True)
class Runner:
    """Applies files over one connection; others may run at the same time, each file is applied by one of them.

    Attributes:
        beside: for a second connection, which sees who blocks the first.
    """

    connection: Connection
    settings: RunSettings
    progress: Progress
    beside: Beside

    async def run(self, migrations: Migrations, target: int | None, *, agreed: str | None = None) -> Plan:
        """Brings the database to `target` (None: the newest).

        Args:
            agreed: digest of the plan that somebody approved; another one is not begun.

        Returns:
            What this runner did: the steps that it ran itself, and as target the version at the end.

        Raises:
            MigrationFailed: a statement was refused; nothing of its file remains, the files before it stay.
            SchemaDirty: a file without a transaction stopped half-way.
            ConfigurationError: one of the files needs a session of its own, and a pooler stands in the way.
            MigrationLocked: another runner, or another session's lock on a table, outlasted our patience; or
                another runner took the database elsewhere while this one was to revert.
            and what `make_plan` raises.
        """
        async with AsyncExitStack() as stack:
            place, history = await self._read()
            if awaits_adoption(history):
                await stack.enter_async_context(kept_out(self.beside, place, self.settings, self.progress.waiting))
                place, history = await self._read()  # they may have been at work until now: half way, it looks dirty
            plan = self._plan(migrations, history, target)
            if agreed is not None and plan.sha256 != agreed:
                raise _overtaken(plan.current)
            _read_all(plan)
            if plan.adopts:
                clerk = Clerk(self.connection, self.settings, self.progress.waiting)
                await clerk.adopt(migrations, place, history)
                place, _ = await self._read()
            return await self._carry_out(place, plan, migrations, target)

    async def _carry_out(self, place: Place, first: Plan, migrations: Migrations, target: int | None) -> Plan:
        done: list[Step] = []
        plan = first
        while plan.steps:
            done += await self._run_steps(place, plan)
            place, history = await self._read()
            plan = self._plan(migrations, history, target)
            if not _is_rest_of(first, plan):
                break
        return Plan(first.current, plan.current, tuple(done), first.adopts)

    async def _read(self) -> tuple[Place, History]:
        place = await find_place(self.connection, self.settings.schema)
        return place, await read_history_at(self.connection, place)

    def _plan(self, migrations: Migrations, history: History, target: int | None) -> Plan:
        return make_plan(migrations, history, target, out_of_order=self.settings.out_of_order)

    async def _run_steps(self, place: Place, plan: Plan) -> list[Step]:
        """The steps that were ours to run: another runner may be faster, then it is to be looked again."""
        alone = next((step for step in plan.steps if not step.script.transactional), None)
        if alone is not None:  # told before the files in front of it are applied
            await refuse_pooler(self.connection, alone)
        done: list[Step] = []
        ahead = [*bundles(self._file_runs(place, plan))]
        for bundle, following in zip(ahead, [*ahead[1:], None], strict=True):
            rest = bundle.runs if bundle.single else await self._run_bundle(bundle, following)
            done += [run.step for run in bundle.runs[: len(bundle.runs) - len(rest)]]
            for run in rest:
                if not await self._run_step(run):
                    return done
                done.append(run.step)
        return done

    def _file_runs(self, place: Place, plan: Plan) -> Iterator[FileRun]:
        """What each step finds, and what it leads to, if the ones before it do what they are to do."""
        expected = plan.current
        for step, following in zip(plan.steps, [*plan.steps[1:], None], strict=True):
            leads_to, last = _version_after(step, following, plan, expected), following is None
            yield FileRun(self.connection, self.settings, self.progress, place, step, expected, leads_to, last)
            expected, place = leads_to, replace(place, has_history=leads_to > 0 or place.keeps_history)

    async def _run_bundle(self, bundle: Bundle, following: Bundle | None) -> tuple[FileRun, ...]:
        """Those of its runs that are still to be done, one by one."""
        async with self._watch(bundle.runs[0].place, bundle.label):
            return await run_bundle(bundle, following)

    def _watch(self, place: Place, label: str) -> Watch:
        return Watch(self.beside, place, self.settings.lock_timeout_ms, partial(self.progress.waiting, label))

    async def _run_step(self, run: FileRun) -> bool:
        """Runs one file, as often as patience lasts; False where the database is no longer where it has to be."""

        async def attempt(retries: int) -> bool:
            async with self._watch(run.place, run.step.label) as watch:
                try:
                    apply = run_in_transaction if run.step.script.transactional else run_stepwise
                    return await apply(replace(run, retries=run.retries + retries))
                except LockedByTable as lock:
                    raise LockedByTable(watch.blocked_by or str(lock)) from None

        stays = "Nothing of it was applied." if run.step.script.transactional else "What it has done stays."
        given_up = f"{run.step.label}: gave up waiting for {{who}}. {stays}"
        waiting = partial(self.progress.waiting, run.step.label)
        return await patiently(attempt, self.settings, waiting, given_up=given_up)


def _overtaken(version: int) -> MigrationLocked:
    return MigrationLocked(
        f"Another runner took the database to version {version} in the meantime. Look at it, and run again.",
        reason="MigrationOvertaken",
    )


def _read_all(plan: Plan) -> None:
    """Cuts every file before anything is begun: a bad one touches nothing, and none of those before it runs."""
    for step in plan.steps:
        _ = step.migration.up.statements, step.migration.down.statements


def _is_rest_of(first: Plan, plan: Plan) -> bool:
    """False where another runner went past our target: an `up` never reverts what someone else applied.

    Raises:
        MigrationLocked: reverting would now undo, or bring back, more than was asked for.
    """
    if not first.reverts:
        return not plan.reverts
    asked = {(step.migration.version, step.direction) for step in first.steps}
    if any((step.migration.version, step.direction) not in asked for step in plan.steps):
        raise _overtaken(plan.current)
    return True


def _version_after(step: Step, following: Step | None, plan: Plan, before: int) -> int:
    if step.direction is Direction.UP:
        return max(before, step.migration.version)  # out of order, the highest stays where it is
    return plan.target if following is None else following.migration.version
