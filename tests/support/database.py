"""Address and login of a database on a test server."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Database:
    """A database and the role to connect as."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    sslmode: Literal["disable", "require"] = "disable"

    @property
    def dsn(self) -> str:
        """A connection URL, with the password."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        options = urlencode({"sslmode": self.sslmode})
        return f"postgresql://{who}@{self.host}:{self.port}/{quote(self.name, safe='')}?{options}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which `dashdb serve` and the other commands find this database."""
        return {
            "DB_HOST": self.host,
            "DB_PORT": str(self.port),
            "DB_NAME": self.name,
            "DB_USER": self.user,
            "DB_PASSWORD": self.password,
            "DB_SSLMODE": self.sslmode,
        }


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
