"""Landing page: links to the other endpoints, and the state of each database at a glance."""

from collections.abc import Sequence
from html import escape

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #8884}"
    ".no,.unhealthy{color:#b00020}.degraded{color:#9a6700}.yes,.healthy{color:#1a7f37}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8ab4f8}}"
)
_COLUMNS = ("database", "ready", "health", "schema", "reason", "message")
_LINKS = ("/live", "/ready", "/api/v1/health", "/metrics/health", "/metrics")


def landing_page(rows: Sequence[dict[str, str]], *, version: str, shard: str | None = None, note: str = "") -> str:
    """Return the page as HTML; `rows` as `answers.overview` makes them, NOTE says why there are none.

    SHARD says which databases these are; None where they are all.
    """
    of_shard = f", shard {escape(shard)}" if shard else ""
    links = " · ".join(f'<a href="{link}">{link}</a>' for link in _LINKS)
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    body = "".join(f"<tr>{''.join(_cell(column, row[column]) for column in _COLUMNS)}</tr>" for row in rows)
    table = (
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        if rows
        else f"<p>{escape(note or 'No databases yet.')}</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>dashdb</title>'
        f"<style>{_STYLE}</style></head><body><h1>dashboard-database-operator {escape(version)}{of_shard}</h1>"
        f"<p>{links}</p>{table}</body></html>"
    )


def _cell(column: str, value: str) -> str:
    if column == "database":
        path = f"/api/v1/health/{value}" if "/" in value else "/api/v1/health"
        return f'<td><a href="{escape(path, quote=True)}">{escape(value)}</a></td>'
    kind = f' class="{escape(value, quote=True)}"' if column in ("ready", "health") else ""
    return f"<td{kind}>{escape(value)}</td>"
