"""Series of databases and replicas, and which alerts fire on them at which minute."""

from dataclasses import dataclass, field

from controller.web.totals import STATES

LABELS = 'namespace="team-a",name="perses"'
OPERATOR = {'dashdb_build_info{job="dashboard-database-operator"}': "1x120"}


def database(*, pod: str = "a", labels: str = LABELS, **series: str) -> dict[str, str]:
    """Series of one database; `up="1x9"` is dashdb_database_up. What is not given is as in a database that is fine."""
    names = {
        "up": "dashdb_database_up",
        "ready": "dashdb_database_ready",
        "pending": "dashdb_schema_pending_migrations",
        "checked": "dashdb_database_last_check_timestamp_seconds",
        "used": "dashdb_server_connections",
        "limit": "dashdb_server_connections_limit",
        "stale": "dashdb_database_stale",
    }
    fine = {
        "up": "1x120",
        "ready": "1x120",
        "pending": "0x120",
        "checked": "1x120",
        "used": "9x120",
        "limit": "100x120",
        "stale": "0x120",
    }
    values = {**fine, **series}
    return {f'{names[key]}{{{labels},pod="{pod}"}}': value for key, value in values.items() if value}


def totals(*, pod: str = "a", crowded: str = "0x120", **states: str) -> dict[str, str]:
    """Series of an operator that shows no single database, by state; CROWDED is how many are near their limit."""
    job = f'job="dashboard-database-operator",pod="{pod}"'
    values = dict.fromkeys(STATES, "0x120") | states
    series = {f'dashdb_databases{{{job},state="{state}"}}': value for state, value in values.items()}
    return series | {f"dashdb_databases_near_connection_limit{{{job}}}": crowded}


def leader(*, shard: str = "1/1", **pods: str) -> dict[str, str]:
    """Series that say which of the PODS of one shard leads."""
    found = {}
    for pod, value in pods.items():
        labels = f'job="dashboard-database-operator",pod="{pod}"'
        found[f'dashdb_shard_info{{{labels},shard="{shard}"}}'] = "1x120"
        found[f"dashdb_shards{{{labels}}}"] = f"{shard.rpartition('/')[2]}x120"
        found[f"dashdb_leader{{{labels}}}"] = value
    return found


def replica(
    *, pod: str = "a", watching: str = "1x120", restarts: str = "0x120", refused: str = "0x120"
) -> dict[str, str]:
    """Series of one replica about its way to the API server."""
    labels = f'job="dashboard-database-operator",pod="{pod}"'
    values = {"watching": watching, "watch_restarts_total": restarts, "status_writes_refused_total": refused}
    return {f"dashdb_{name}{{{labels}}}": value for name, value in values.items()}


def budget(*, pod: str = "a", waiting: str = "0x120", longest: str = "0x120") -> dict[str, str]:
    """Series of one replica about the databases that wait for a connection to their server."""
    labels = f'job="dashboard-database-operator",pod="{pod}"'
    return {
        f"dashdb_databases_waiting_for_connection{{{labels}}}": waiting,
        f"dashdb_connection_longest_wait_seconds{{{labels}}}": longest,
    }


@dataclass(frozen=True)
class Case:
    """Series, one value a minute, and which alerts fire at which minute."""

    firing: dict[int, list[str]]
    series: dict[str, str]
    operator: dict[str, str] = field(default_factory=lambda: OPERATOR)


CASES = {
    "nothing fires while all is well": Case({0: [], 60: [], 119: []}, database()),
    "a degraded database that is ready is nobody's emergency": Case({60: []}, database(used="89x120")),
    "a database that does not answer is down, and not also not ready": Case(
        {4: [], 6: ["DashdbDatabaseDown"], 60: ["DashdbDatabaseDown"]}, database(up="0x120", ready="0x120")
    ),
    "one that was down for three minutes wakes nobody": Case(
        {m: [] for m in range(0, 20, 2)}, database(up="1x5 0x3 1x100", ready="1x5 0x3 1x100")
    ),
    "the alert ends when the database is back": Case(
        {9: ["DashdbDatabaseDown"], 12: []}, database(up="0x10 1x100", ready="0x10 1x100")
    ),
    "a down database is down while migrations wait": Case(
        {60: ["DashdbDatabaseDown"]}, database(up="0x120", ready="0x120", pending="2x120")
    ),
    "a Secret that is missing is not ready and not down": Case(
        {14: [], 16: ["DashdbDatabaseNotReady"]},
        database(up="0x120", ready="0x120", checked="", pending="", used="", limit=""),
    ),
    "a Secret that was lost while migrations waited is not ready": Case(
        {60: ["DashdbDatabaseNotReady"]},
        database(up="0x120", ready="0x120", checked="", pending="2x120", used="", limit=""),
    ),
    "templates that cannot be seeded are not ready": Case({60: ["DashdbDatabaseNotReady"]}, database(ready="0x120")),
    "migrations that wait are that and nothing else": Case(
        {29: [], 31: ["DashdbMigrationsPending"]}, database(ready="0x120", pending="2x120")
    ),
    "a migration of twelve minutes is no news": Case(
        {14: [], 60: []}, database(ready="0x12 1x99", pending="1x12 0x99")
    ),
    "connections near their limit are": Case(
        {9: [], 11: ["DashdbConnectionsNearLimit"], 60: ["DashdbConnectionsNearLimit"]}, database(used="95x120")
    ),
    "a server that says no limit is not near it": Case({60: []}, database(limit="0x120")),
    "an operator that vanished is missed": Case({9: [], 11: ["DashdbOperatorAbsent"]}, {}, operator={}),
    "a standby has no series of databases and is missed by nobody": Case(
        {0: [], 60: [], 119: []}, {**database(pod="a"), **leader(a="1x120", b="0x120")}
    ),
    "a leader that changes is no news": Case(
        {m: [] for m in range(0, 120, 10)}, {**database(pod="a"), **leader(a="1x60 0x60", b="0x62 1x58")}
    ),
    "nobody who leads is": Case(
        {4: [], 6: ["DashdbNoLeader"], 60: ["DashdbNoLeader"]}, leader(a="0x120", b="0x120")
    ),
    "a shard in which nobody leads is not hidden by one in which somebody does": Case(
        {4: [], 6: ["DashdbNoLeader"]}, leader(shard="1/2", a="0x120", b="1x120") | leader(shard="2/2", c="0x120")
    ),
    "shards that all have a leader wake nobody": Case(
        {60: []}, leader(shard="1/2", a="0x120", b="1x120") | leader(shard="2/2", c="1x120", d="0x120")
    ),
    "a shard that nobody runs is missed": Case(
        {9: [], 11: ["DashdbShardAbsent"]}, leader(shard="1/2", a="1x120", b="0x120")
    ),
    "a replica of another number of shards stands in for none": Case(
        {11: ["DashdbShardAbsent"]}, leader(shard="1/2", a="1x120") | leader(shard="2/3", b="1x120")
    ),
    "a sidecar's series do not stand in for the operator's": Case(
        {60: ["DashdbOperatorAbsent"]}, {}, operator={'dashdb_build_info{job="perses"}': "1x120"}
    ),
    "an alert goes on when the operator moves to another Pod": Case(
        {30: ["DashdbDatabaseDown"], 33: ["DashdbDatabaseDown"]},
        database(up="0x30 stale", ready="0x30 stale", checked="1x30 stale", pending="", used="", limit="")
        | database(
            pod="b", up="_x31 0x80", ready="_x31 0x80", checked="_x31 1x80", pending="", used="", limit=""
        ),
    ),
    "totals in which all is well wake nobody": Case({0: [], 60: []}, totals(ready="900x120", degraded="3x120")),
    "totals say that databases are down": Case(
        {4: [], 6: ["DashdbDatabasesDown"], 60: ["DashdbDatabasesDown"]}, totals(unhealthy="2x120", ready="9x120")
    ),
    "totals say that migrations wait": Case(
        {29: [], 31: ["DashdbDatabasesMigrationsPending"]}, totals(pending="1x120")
    ),
    "totals say that databases are not ready": Case(
        {14: [], 16: ["DashdbDatabasesNotReady"]}, totals(not_ready="1x120")
    ),
    "checks that are overdue are that, and not a database that is not ready": Case(
        {9: [], 11: ["DashdbChecksStale"], 60: ["DashdbChecksStale"]}, totals(stale="3x120")
    ),
    "checks that are overdue with series of each database are the same": Case(
        {11: ["DashdbChecksStale"], 60: ["DashdbChecksStale"]},
        totals(stale="1x120") | database(ready="0x120", stale="1x120"),
    ),
    "a check that was overdue for five minutes is no news": Case(
        {m: [] for m in range(0, 30, 2)}, totals(stale="0x4 1x5 0x99")
    ),
    "totals say that connections run out": Case(
        {9: [], 11: ["DashdbDatabasesNearConnectionLimit"]}, totals(crowded="1x120")
    ),
    "totals keep silent where each database has its alert": Case(
        {60: ["DashdbDatabaseDown"]},
        totals(unhealthy="1x120", pending="1x120", not_ready="1x120", crowded="1x120")
        | database(labels=f'{LABELS},job="dashboard-database-operator"', up="0x120", ready="0x120"),
    ),
    "totals do not keep silent for the series of a sidecar": Case(
        {60: ["DashdbDatabasesDown"]},
        totals(unhealthy="1x120") | database(labels='namespace="",name="perses",job="perses"'),
    ),
    "totals of all shards count": Case(
        {6: ["DashdbDatabasesDown"]}, totals(ready="9x120") | totals(pod="b", unhealthy="1x120")
    ),
    "a replica that cannot list its resources is told": Case(
        {4: [], 6: ["DashdbNotWatching"]}, replica(watching="0x120") | replica(pod="b")
    ),
    "an API server that restarts is no news": Case({m: [] for m in range(0, 30, 2)}, replica(watching="1x5 0x3 1x99")),
    "a watch that begins anew again and again is told": Case(
        {9: [], 30: ["DashdbWatchRestarts"], 60: ["DashdbWatchRestarts"]}, replica(restarts="0+1x120")
    ),
    "a watch that began anew twice in an hour is no news": Case(
        {m: [] for m in range(0, 120, 10)}, replica(restarts="0x20 1x20 2x80")
    ),
    "a status that the API server refuses for long is told": Case(
        {9: [], 20: ["DashdbStatusRefused"], 60: ["DashdbStatusRefused"]}, replica(refused="0+1x120")
    ),
    "a status that was refused once is no news": Case(
        {m: [] for m in range(0, 60, 5)}, replica(refused="0x10 1x110")
    ),
    "databases that wait for a connection for long are told": Case(
        {9: [], 11: ["DashdbConnectionBudgetUsedUp"], 60: ["DashdbConnectionBudgetUsedUp"]},
        totals(ready="900x120", unhealthy="3x120", pod="a") | budget(waiting="40x120", longest="45x120")
        | database(labels=f'{LABELS},job="dashboard-database-operator"'),
    ),
    "databases that wait for a few seconds, or for a while after a start, are no news": Case(
        {m: [] for m in range(0, 120, 10)},
        totals(ready="900x120") | budget(waiting="300x8 40x112", longest="90x8 20x112"),
    ),
    "databases that wait since their server hangs are down, and no other alert says so": Case(
        {60: ["DashdbDatabasesDown"]}, totals(unhealthy="300x120") | budget(waiting="295x120", longest="500x120")
    ),
    "an alert of totals goes on when the operator moves to another Pod": Case(
        {30: ["DashdbDatabasesDown"], 33: ["DashdbDatabasesDown"]},
        totals(unhealthy="1x30 stale") | totals(pod="b", unhealthy="_x31 1x80"),
    ),
}  # fmt: skip
