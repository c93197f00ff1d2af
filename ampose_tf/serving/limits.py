"""What a server takes: sizes, times, and what it says beyond them."""

import re
from typing import NamedTuple

# Lists and objects of JSON for each pose: one for each joint of the largest
# skeleton, and some.
_NODES_OF_A_POSE = 200
# Of the whole body, whatever the poses; random bytes of tensors have some.
_FEWEST_NODES = 100_000
# Bodies of the largest size that are held at a time.
_BODIES = 16


class Limits(NamedTuple):
    """The limits of a server; `__main__` has a flag for each.

    Attributes:
        max_poses: Poses in a request.
        max_body_bytes: Bytes of a request's body.
        max_waiting_poses: Poses of all requests that are being answered.
        max_connections: Open connections for REST.
        request_seconds: Time for a request, from its first byte on.
        drain_seconds: After SIGTERM, time in which requests are accepted.
        grace_seconds: After that, time to answer what has been accepted.
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
        """Lists and objects in a body of JSON."""
        return max(_FEWEST_NODES, _NODES_OF_A_POSE * self.max_poses)

    @property
    def max_held_bytes(self) -> int:
        """Bytes of all bodies that are being received or answered."""
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
    """A request that is not answered.

    Args:
        status: Of HTTP.
        code: The name of gRPC's `StatusCode`.
        sentence: What the client is told.
    """

    def __init__(self, status: int, code: str, sentence: str):
        super().__init__(sentence)
        self.status, self.code, self.sentence = status, code, sentence


def too_large(sentence: str) -> Refused:
    """Returns the refusal of a request that is larger than the limits."""
    return Refused(413, "RESOURCE_EXHAUSTED", sentence)


def busy() -> Refused:
    """Returns the refusal of a request that comes while others wait."""
    return Refused(
        429,
        "RESOURCE_EXHAUSTED",
        "The server is busy with other requests; try again later.",
    )


def check_name(name: str) -> None:
    """Checks a model's name, which is a part of addresses and metrics.

    Raises:
        ValueError: If it has other characters than letters, digits, `.`, `_`
            and `-`, or is longer than 63.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise ValueError(
            "--name: expected up to 63 letters, digits, dots, underscores and "
            "hyphens, a letter or digit first"
        )
