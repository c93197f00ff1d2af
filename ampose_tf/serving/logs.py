"""JSON lines on standard output: what happened, and nothing about people.

A request's line has the protocol, the route, the outcome, numbers of poses
and milliseconds. Keypoints, poses, bodies, identifiers, names in addresses
and addresses of clients are not logged. Messages of libraries may quote what
a client sent: of their records, the logger, the level and the place in the
code are kept, and of exceptions the type and the lines of code.
"""

import contextvars
import datetime
import logging
import sys
import traceback
import warnings
from typing import Any

import orjson
from prometheus_client import Counter, Gauge

_LOGGER = logging.getLogger("ampose_tf.serving")
# Which say something for every request.
_SILENT = ("kserve", "kserve.trace", "uvicorn", "uvicorn.access")

REQUESTS = Counter(
    "ampose_requests",
    "Requests by protocol and outcome",
    ["protocol", "status"],
)
POSES = Counter("ampose_poses", "Poses that were lifted")
WAITING = Gauge("ampose_waiting_poses", "Poses of requests being answered")

# What is known of the request that is being answered, for its line.
request: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar(
    "request"
)


class _Lines(logging.Formatter):
    def format(self, record):
        content = {
            "time": datetime.datetime.fromtimestamp(
                record.created, datetime.UTC
            ).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name == _LOGGER.name:
            content |= record.args
        else:
            content |= {
                "event": "library",
                "logger": record.name,
                "at": f"{record.module}:{record.lineno}",
            }
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            content["exception"] = kind.__name__
            content["trace"] = [
                f"{frame.filename}:{frame.lineno}"
                for frame in traceback.extract_tb(trace)[-12:]
            ]
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY).decode(
            "utf-8"
        )


def configure() -> None:
    """Sends all logging of this process to standard output, as JSON lines."""
    # A reader that has gone away is no reason to stop serving.
    logging.raiseExceptions = False
    # KServe's own routes use it.
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(logging.INFO)
    for name in _SILENT:
        logger = logging.getLogger(name)
        # KServe sets its own handlers where there are none.
        logger.handlers = [logging.NullHandler()]
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False


def write(event: str, level: int = logging.INFO, **fields) -> None:
    """Writes a line.

    Args:
        event: What happened, in a word.
        level: Of `logging`.
        **fields: What else the line has.
    """
    # `logging` takes a single dict as the arguments themselves.
    _LOGGER.log(level, "", {"event": event, **fields})


def bug(error: BaseException) -> None:
    """Writes a line about an exception that should not have come."""
    _LOGGER.error(
        "",
        {"event": "bug"},
        exc_info=(type(error), error, error.__traceback__),
    )
