"""Shards: which resources they hold, and how they are named."""

from collections import Counter

import pytest

from controller.operator.shard import MOST_SHARDS, Shard, parse_shard, shard_number

KEYS = [(f"team-{number % 40}", f"dashboards-{number}") for number in range(10_000)]


@pytest.mark.parametrize(
    ("key", "of_2", "of_3", "of_100"),
    [(("team-a", "perses"), 1, 2, 47), (("team-b", "perses"), 2, 3, 66), (("default", "x"), 2, 2, 32)],
)
def test_a_resource_belongs_to_the_same_shard_in_each_process_and_release(
    key: tuple[str, str], of_2: int, of_3: int, of_100: int
) -> None:
    assert (shard_number(key, 2), shard_number(key, 3), shard_number(key, 100)) == (of_2, of_3, of_100)


def test_a_resource_belongs_to_exactly_one_shard() -> None:
    shards = [Shard(number, 7) for number in range(1, 8)]
    assert all(sum(shard.holds(key) for shard in shards) == 1 for key in KEYS)


def test_an_operator_without_shards_looks_after_all() -> None:
    assert all(Shard().holds(key) for key in KEYS)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_shards_are_nearly_of_one_size(count: int) -> None:
    sizes = Counter(shard_number(key, count) for key in KEYS)
    mean = len(KEYS) / count
    assert sorted(sizes) == list(range(1, count + 1))
    assert max(abs(size - mean) for size in sizes.values()) < 0.1 * mean


def test_the_name_in_one_namespace_says_nothing_of_the_same_name_in_another() -> None:
    found = {shard_number((f"team-{number}", "perses"), 10) for number in range(100)}
    assert found == set(range(1, 11))


@pytest.mark.parametrize("text", ["1/1", "1/2", "2/2", f"{MOST_SHARDS}/{MOST_SHARDS}"])
def test_a_shard_reads_as_it_is_written(text: str) -> None:
    assert str(parse_shard(text)) == text


@pytest.mark.parametrize(
    "text", ["", "1", "a", "/", "1/", "/2", "0/2", "3/2", "-1/2", "1/0", "1/2/3", " 1/2", "1/2000"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no shard\. Write i/n"):
        parse_shard(text)


def test_each_shard_has_a_lease_of_its_own_and_another_one_when_their_number_changes() -> None:
    shards = [Shard(), Shard(1, 2), Shard(2, 2), Shard(1, 3)]
    assert [shard.lease_name("dashdb-operator") for shard in shards] == [
        "dashdb-operator", "dashdb-operator-1-of-2", "dashdb-operator-2-of-2", "dashdb-operator-1-of-3",
    ]  # fmt: skip
