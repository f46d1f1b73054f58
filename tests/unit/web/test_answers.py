"""The JSON of the endpoints, to the letter of the contract."""

from dataclasses import replace
from datetime import timedelta

from controller.health.verdict import Health, Verdict
from controller.web import answers
from controller.web.page import row_of
from tests.unit.web.reports import DOWN, HEALTHY, NOW, SLOW, report


def test_healthy() -> None:
    assert answers.health([report()], now=NOW, version="0.1.0") == {
        "status": "healthy",
        "timestamp": "2026-01-31T03:00:00Z",
        "version": "0.1.0",
        "checks": {
            "database": {
                "status": "pass",
                "response_time_ms": 1.5,
                "details": {
                    "open_connections": 3,
                    "idle_connections": 1,
                    "in_use_connections": 2,
                    "wait_count": 4,
                    "utilization_percent": 5.2,
                    "checked_at": "2026-01-31T03:00:00Z",
                    "server_connections": 5,
                    "server_connection_limit": 97,
                },
            }
        },
    }


def test_degraded_carries_a_warning() -> None:
    answer = answers.health([report(SLOW)], now=NOW, version="0.1.0")
    assert answer["status"] == "degraded"
    check = answer["checks"]["database"]
    assert check["status"] == "warn"
    assert check["details"]["warning"] == "The database takes more than 100 ms to answer."
    assert "error" not in check


def test_unhealthy_carries_an_error_and_no_response_time() -> None:
    answer = answers.health([report(DOWN)], now=NOW, version="0.1.0")
    assert answer["status"] == "unhealthy"
    check = answer["checks"]["database"]
    assert (check["status"], check["error"]) == ("fail", "Nothing listens there.")
    assert "response_time_ms" not in check


def test_all_together_are_as_bad_as_the_worst() -> None:
    answer = answers.health([report(HEALTHY), report(DOWN), report(SLOW)], now=NOW, version="0.1.0")
    assert answer["status"] == "unhealthy"
    details = answer["checks"]["database"]["details"]
    assert details["open_connections"] == 9
    assert "server_connections" not in details


def test_the_time_of_the_oldest_check_is_told() -> None:
    sample = report().sample
    assert sample is not None
    older = replace(report(), sample=replace(sample, taken_at=sample.taken_at - timedelta(seconds=20)))
    answer = answers.health([report(), older], now=NOW, version="0.1.0")
    assert answer["checks"]["database"]["details"]["checked_at"] == "2026-01-31T02:59:40Z"


def test_all_together_say_which_are_how_and_why() -> None:
    reports = {("team", f"d{number}"): report(DOWN) for number in range(5)} | {
        ("team", "fine"): report(HEALTHY),
        ("team", "slow"): report(SLOW),
    }
    answer = answers.health_of_all(reports, now=NOW, version="0.1.0")
    assert answer["checks"]["database"]["error"] == (
        "5 of 7 databases unhealthy: team/d0 (ConnectionRefused), team/d1 (ConnectionRefused), "
        "team/d2 (ConnectionRefused) and 2 more."
    )
    found = answer["databases"]
    assert {state: found[state] for state in ("healthy", "degraded", "unhealthy")} == {
        "healthy": 1, "degraded": 1, "unhealthy": 5
    }  # fmt: skip
    assert found["problems"][-1] == {
        "database": "team/slow", "status": "degraded", "reason": SLOW.reason, "message": SLOW.warning
    }  # fmt: skip
    assert len(found["problems"]) == 6


def test_all_together_name_a_hundred_at_most() -> None:
    reports = {("team", f"d{number}"): report(DOWN) for number in range(200)}
    found = answers.health_of_all(reports, now=NOW, version="0.1.0")["databases"]
    assert (len(found["problems"]), found["unhealthy"]) == (answers.MOST_PROBLEMS, 200)


def test_several_that_are_degraded_are_a_warning() -> None:
    answer = answers.health_of_all({("team", "slow"): report(SLOW)}, now=NOW, version="0.1.0")
    assert (
        answer["checks"]["database"]["details"]["warning"] == f"1 of 1 databases degraded: team/slow ({SLOW.reason})."
    )


def test_a_database_without_an_address_is_unhealthy_all_the_same() -> None:
    answer = answers.health([report(DOWN, sample=None)], now=NOW, version="0.1.0")
    assert answer["status"] == "unhealthy"
    assert answer["checks"]["database"]["details"]["open_connections"] == 0


def test_no_database_is_healthy() -> None:
    assert answers.health([], now=NOW, version="0.1.0")["status"] == "healthy"
    assert answers.flat([])["database_healthy"] is True


def test_the_flat_form() -> None:
    assert answers.flat([report()]) == {
        "database_healthy": True,
        "database_response_time_seconds": 0.0015,
        "database_open_connections": 3,
        "database_in_use_connections": 2,
        "database_utilization_percent": 5.2,
        "database_wait_count": 4,
        "database_wait_duration_seconds": 0.5,
    }
    assert answers.flat([report(SLOW)])["database_healthy"] is True
    assert answers.flat([report(DOWN)])["database_healthy"] is False


def test_health_json_has_an_entry_for_each_database_and_measurement() -> None:
    reports = {
        ("team-a", "good"): report(),
        ("team-a", "bad"): report(DOWN),
        ("team-a", "new"): report(DOWN, sample=None),
    }
    answer = answers.health_check_response(reports, version="0.1.0")
    about = {"componentType": "datastore", "time": "2026-01-31T03:00:00Z"}
    used = {"observedValue": 5.2, "observedUnit": "percent"}
    assert answer == {
        "status": "fail",
        "version": "0.1.0",
        "checks": {
            "database:utilization": [
                {"componentId": "team-a/good", **about, **used},
                {"componentId": "team-a/bad", **about, "observedValue": 4.0, "observedUnit": "percent"},
            ],
            "database:responseTime": [
                {"componentId": "team-a/good", **about, "status": "pass", "observedValue": 1.5, "observedUnit": "ms"},
                {"componentId": "team-a/bad", **about, "status": "fail", "output": "Nothing listens there."},
                {
                    "componentId": "team-a/new",
                    "componentType": "datastore",
                    "status": "fail",
                    "output": "Nothing listens there.",
                },
            ],
        },
    }


def test_ready_says_why_not() -> None:
    assert answers.ready(report()) == {"ready": True}
    assert answers.ready(report(DOWN)) == {"ready": False, "reason": "ConnectionRefused: Nothing listens there."}


def test_what_a_server_says_is_one_short_line() -> None:
    hostile = "forged\r\n\x1b[2J\u202e" + "x" * 5000
    forged = replace(report(DOWN), message=hostile, verdict=Verdict(Health.UNHEALTHY, "QueryFailed", hostile))
    shown = [
        answers.ready(replace(forged, ready=False))["reason"],
        answers.health([forged], now=NOW, version="0.1.0")["checks"]["database"]["error"],
        row_of(("team", "perses"), forged).message,
    ]
    assert all(text.isprintable() and len(text) <= 1024 for text in shown)
