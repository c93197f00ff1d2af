"""Limits on the size and time of requests, and refusals."""

import re
from typing import NamedTuple

# Lists and objects of JSON per pose: one for each joint of the largest
# skeleton, and some more.
_NODES_OF_A_POSE = 200
# Minimum limit for a body; binary tensors contain brackets by chance.
_FEWEST_NODES = 100_000
# Number of bodies of the maximum size that are in memory at a time.
_BODIES = 16


class Limits(NamedTuple):
    """The limits of a server; `__main__` has a flag for each.

    Attributes:
        max_poses: Maximum number of poses in a request.
        max_body_bytes: Maximum size of a request's body in bytes.
        max_waiting_poses: Maximum number of poses of all requests that are
            being answered.
        max_connections: Maximum number of open REST connections.
        request_seconds: Time limit of a request, from its first byte.
        drain_seconds: Time after SIGTERM in which requests are accepted.
        grace_seconds: Time after that to answer the accepted requests.
    """

    max_poses: int = 1024
    max_body_bytes: int = 8 * 2**20
    max_waiting_poses: int = 8192
    max_connections: int = 2000
    request_seconds: float = 30.0
    drain_seconds: float = 2.0
    grace_seconds: float = 30.0

    @property
    def max_nodes(self) -> int:
        """Maximum number of lists and objects in a body of JSON."""
        return max(_FEWEST_NODES, _NODES_OF_A_POSE * self.max_poses)

    @property
    def max_held_bytes(self) -> int:
        """Maximum size of all bodies in memory in bytes."""
        return _BODIES * self.max_body_bytes

    def checked(self) -> "Limits":
        """Returns the limits.

        Raises:
            ValueError: If they contradict each other.
        """
        if self.max_waiting_poses < self.max_poses:
            raise ValueError(
                f"--max_waiting_poses={self.max_waiting_poses}: expected at "
                f"least --max_poses={self.max_poses}"
            )
        if not self.request_seconds > 0:
            raise ValueError("--request_seconds: expected more than 0")
        return self


class Refused(Exception):
    """Raised for requests that are refused.

    Args:
        status: HTTP status.
        code: Name of the gRPC `StatusCode`.
        sentence: Message for the client.
    """

    def __init__(self, status: int, code: str, sentence: str):
        super().__init__(sentence)
        self.status, self.code, self.sentence = status, code, sentence


def too_large(sentence: str) -> Refused:
    """Returns the refusal of a request that exceeds a size limit."""
    return Refused(413, "RESOURCE_EXHAUSTED", sentence)


def busy() -> Refused:
    """Returns the refusal of a request while too many others wait."""
    return Refused(
        429,
        "RESOURCE_EXHAUSTED",
        "The server is busy with other requests; try again later.",
    )


def check_name(name: str) -> None:
    """Checks the name of a model, which is used in addresses and metrics.

    Raises:
        ValueError: If it contains other characters than letters, digits, `.`,
            `_` and `-`, or more than 63 characters.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise ValueError(
            "--name: expected up to 63 letters, digits, dots, underscores and "
            "hyphens, beginning with a letter or digit"
        )
