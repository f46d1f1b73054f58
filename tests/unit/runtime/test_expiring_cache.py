"""A cache that forgets by time and by size."""

from controller.runtime.expiring_cache import ExpiringCache


def test_an_entry_ends_with_its_time() -> None:
    now = 0.0
    cache: ExpiringCache[str] = ExpiringCache(2, lambda: now)
    cache.put("a", "x", 10)
    assert cache.get("a") == "x"
    now = 10.0
    assert cache.get("a") is None
    assert len(cache) == 0


def test_the_one_that_was_used_longest_ago_makes_room() -> None:
    cache: ExpiringCache[str] = ExpiringCache(2, lambda: 0.0)
    for key in "ab":
        cache.put(key, key, 10)
    cache.get("a")
    cache.put("c", "c", 10)
    assert [cache.get(key) for key in "abc"] == ["a", None, "c"]


def test_a_dropped_one_is_gone() -> None:
    cache: ExpiringCache[str] = ExpiringCache(2, lambda: 0.0)
    cache.put("a", "x", 10)
    cache.drop("a")
    cache.drop("b")
    assert cache.get("a") is None
