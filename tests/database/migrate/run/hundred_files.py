"""A hundred migrations: most of them write down each time that they run, the short ones cannot run twice."""

from pathlib import Path

COUNT = 100
SHORT = range(31, 61)
"""Those that travel together; a second run of one would find its table there, and fail."""
RECORD = "CREATE TABLE ran (file integer, part text);"


def write_hundred(folder: Path, *, mixed: bool) -> Path:
    """Every tenth file, where MIXED, is one without a transaction that makes an index concurrently."""
    folder.mkdir()
    for number in range(1, COUNT + 1):
        alone = mixed and number % 10 == 0
        first = RECORD if number == 1 else ""
        index = f"CREATE INDEX CONCURRENTLY t{number}_n ON t{number} (n);" if alone else ""
        text = (
            f"{first}\nCREATE TABLE t{number} (n integer);\n{ran(number, 'first')}\n{index}\n"
            f"INSERT INTO t{number} SELECT generate_series(1, 200);\n{ran(number, 'last')}\n"
        )
        if number in SHORT:
            text = f"CREATE TABLE t{number} (n integer);\n"
        (folder / f"V{number:03}_t{number}.up.sql").write_text(text)
        (folder / f"V{number:03}_t{number}.down.sql").write_text(f"DROP TABLE t{number};\n")
    return folder


def ran(number: int, part: str) -> str:
    return f"INSERT INTO ran VALUES ({number}, '{part}');"
