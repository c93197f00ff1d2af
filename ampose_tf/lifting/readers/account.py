"""What a reader did with a file that its user should know of."""

from collections.abc import Iterable

from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.untrusted import brief

# Names that a note lists, and what is kept of a file or stream of any length.
_SHOWN = 6
_MOST = 100


class Account:
    """Collects what was assumed, left out or not read, in the order found."""

    def __init__(self):
        self._notes = {}
        self._unread = {}

    def note(self, sentence: str) -> None:
        """Adds a sentence, once."""
        if len(self._notes) < _MOST:
            self._notes[sentence] = None

    def unread(self, names: Iterable[str], what: str = "fields") -> None:
        """Adds names of fields or columns that no reader knows."""
        for name in names:
            known = self._unread.setdefault(what, {})
            if len(known) < _MOST:
                known[name] = None

    def notes(self) -> tuple[str, ...]:
        """Returns a sentence for each of them."""
        unread = []
        for what, names in self._unread.items():
            shown = ", ".join(brief(name) for name in list(names)[:_SHOWN])
            if len(names) > _SHOWN:
                shown += f" and {len(names) - _SHOWN} more"
            known = "; ".join(
                f"{meaning}s as {examples}"
                for meaning, examples in vocabulary.KNOWN_NAMES.items()
            )
            unread.append(f"Not read: {what} {shown}. Known are {known}.")
        return (*self._notes, *unread)
