"""Claims of several resources to one database: the oldest has it."""

from controller.reconcile.claims import Claims

OLD, NEW, OTHER = ("team-a", "old"), ("team-a", "young"), ("team-c", "other")
EARLY, LATE = "2026-01-31T03:00:00Z", "2026-02-01T03:00:00Z"


def test_the_older_resource_has_a_database_whoever_claims_it_first() -> None:
    claims = Claims()
    assert claims.claim(NEW, LATE, "7000/5/public") is None
    assert claims.claim(OLD, EARLY, "7000/5/public") is None
    assert claims.claim(NEW, LATE, "7000/5/public") == "team-a/old"
    assert claims.claim(OTHER, LATE, "7000/6/public") is None


def test_of_two_that_were_made_in_the_same_second_the_name_decides() -> None:
    claims = Claims()
    claims.claim(NEW, EARLY, "7000/5/public")
    assert claims.claim(OLD, EARLY, "7000/5/public") is None
    assert claims.claim(NEW, EARLY, "7000/5/public") == "team-a/old"


def test_a_database_is_free_once_the_older_resource_is_gone_or_leads_elsewhere() -> None:
    claims = Claims()
    claims.claim(OLD, EARLY, "7000/5/public")
    assert claims.claim(NEW, LATE, "7000/5/public") == "team-a/old"
    claims.claim(OLD, EARLY, "7000/6/public")
    assert claims.claim(NEW, LATE, "7000/5/public") is None
    claims.claim(OLD, EARLY, "7000/5/public")
    claims.release(OLD)
    claims.release(OLD)
    assert claims.claim(NEW, LATE, "7000/5/public") is None


def test_nothing_is_kept_of_resources_that_are_gone() -> None:
    claims = Claims()
    for key in (OLD, NEW, OTHER):
        claims.claim(key, EARLY, "7000/5/public")
    for key in (OLD, NEW, OTHER):
        claims.release(key)
    assert not claims._created
    assert not claims._claimed


def test_who_has_a_better_claim_is_not_named_to_another_namespace() -> None:
    claims = Claims()
    claims.claim(OTHER, EARLY, "7000/5/public")
    assert claims.claim(NEW, LATE, "7000/5/public") == "A resource of another namespace"


def test_a_claim_that_is_given_up_is_in_nobodys_way() -> None:
    claims = Claims()
    claims.claim(OLD, EARLY, "7000/5/public")
    assert claims.claim(OLD, EARLY, None) is None
    assert claims.claim(NEW, LATE, "7000/5/public") is None
