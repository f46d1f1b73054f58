"""Logs on stderr: one JSON object a line, or text for people; other libraries' records go the same way."""

import logging
import re
import sys
import traceback

import structlog
from structlog.typing import Processor

from controller.runtime.log_format import LogFormat
from controller.text import one_line

_QUIET = ("kopf", "aiohttp", "aiohttp_retry", "asyncio", "kubernetes")
"""Libraries that repeat what this program logs better, or log whole objects at DEBUG; their warnings are shown."""

_RETRIED = re.compile(r"Request attempt \S+ failed; will retry")
"""Begin of kopf's record of each try of each watch while the API server is away, which the heartbeat says once."""


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Set up structlog and the standard library's logging; colours only on a terminal."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _fit_for_logs,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.EventRenamer("message") if log_format is LogFormat.JSON else _keep,
    ]
    renderer: Processor
    if log_format is LogFormat.JSON:
        final: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time")
        final = [renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_without_traceback, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    handler.addFilter(_is_news)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # it repeats what clients send; see web.server
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def log_failure(event: str, error: str, *, told_once: bool, **facts: str) -> None:
    """Log a failure after which the process tries again: a warning; or at level debug if another line says it for all.

    Args:
        event: what did not happen.
        error: message of the error.
        told_once: see `DashdbError.told_once`.
    """
    log = structlog.get_logger(__name__)
    (log.debug if told_once else log.warning)(event, error=error, **facts)


def log_fault(fault: Exception) -> None:
    """Log where a fault of this program happened and its kind; never its text, which may repeat a password."""
    at = traceback.format_tb(fault.__traceback__)
    structlog.get_logger(__name__).error("fault of this program", fault=type(fault).__name__, at=at)


def _is_news(record: logging.LogRecord) -> bool:
    """Return False for a record of a library that repeats what this program says once; at level debug, True for all."""
    if not record.name.startswith("kopf") or logging.getLogger().level <= logging.DEBUG:
        return True
    return _RETRIED.match(record.getMessage()) is None


def _without_traceback(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Name the error in place of a library's traceback: kopf logs dozens of lines for each watch that ends."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple) and error[0] is not None:
        event["fault"] = error[0].__name__
    return event


def _fit_for_logs(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Make one short line of each text: it may be that of a hostile server, and forge a record."""
    return {name: one_line(value) if isinstance(value, str) else value for name, value in event.items()}


def _keep(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
