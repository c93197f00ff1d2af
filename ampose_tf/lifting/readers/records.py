"""People as files have them, and an account of what was made of a file."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ampose_tf import reading
from ampose_tf.conversion import Conversion
from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.untrusted import brief

# Names that a note lists, and their letters; what is kept of a file or stream
# of any length; and the letters of a note.
_SHOWN = 6
_SHOWN_LETTERS = 100
_MOST = 100
_LONGEST = 300


class Account:
    """Collects what was assumed, left out or not read, in the order found."""

    def __init__(self):
        self._notes = {}
        self._unread = {}
        self._clips = {}

    def note(self, sentence: str) -> None:
        """Adds a sentence, once."""
        if len(self._notes) < _MOST:
            self._notes[reading.shown(sentence, _LONGEST)] = None

    def unread(self, names: Iterable[str], what: str = "fields") -> None:
        """Adds names of fields or columns that no reader knows."""
        for name in names:
            known = self._unread.setdefault(what, {})
            if len(known) < _MOST:
                known[name] = None

    def clip(self, name) -> None:
        """Adds the name of the clip or camera that a part of it is of.

        Raises:
            ValueError: If another part is of another one.
        """
        if type(name) in (int, str) and name != "":
            self._clips[name] = None
        if len(self._clips) > 1:
            one, two = map(brief, self._clips)
            raise ValueError(
                f"several clips, {one} and {two}; expected one a file: save "
                "each on its own"
            )

    def notes(self) -> tuple[str, ...]:
        """Returns a sentence for each of them."""
        unread = []
        for what, names in self._unread.items():
            listed = [brief(name) for name in list(names)[:_SHOWN]]
            while len(", ".join(listed)) > _SHOWN_LETTERS:
                listed.pop()
            names_shown = ", ".join(listed)
            if len(names) > len(listed):
                names_shown += f" and {len(names) - len(listed)} more"
            known = "; ".join(
                f"{meaning}s as {examples}"
                for meaning, examples in vocabulary.KNOWN_NAMES.items()
            )
            unread.append(
                f"Not read: {what} {names_shown}. Known are {known}."
            )
        return (*self._notes, *unread)


class Detection(NamedTuple):
    """One person in one frame, as a file has it.

    Attributes:
        points: (S, 2) float64, x and y; NaN where missing.
        scores: (S,) float64; NaN where missing.
        names: Of the joints; None if the file counts them.
        track_id: None if the file does not say.
        score: Of the whole person; None if the file does not say.
        third: `"score"`, `"none"` if the file has no scores, or `"either"` if
            `scores` may as well be z.
    """

    points: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...] | None = None
    track_id: int | str | None = None
    score: float | None = None
    third: str = "score"


class Batch(NamedTuple):
    """All people of all frames, frame by frame.

    Attributes:
        frames: (D,) int64, not decreasing.
        points: (D, S, 2) float64.
        scores: (D, S) float64.
        track_ids: (D,) int64, -1 where the file does not say.
        person_scores: (D,) float64, NaN where the file does not say.
    """

    frames: np.ndarray
    points: np.ndarray
    scores: np.ndarray
    track_ids: np.ndarray
    person_scores: np.ndarray


class Recording(NamedTuple):
    """A clip as a file has it.

    Attributes:
        batch: Its people.
        skeleton: Of their joints; None if there is no person.
        frame_count: Frames, with those without people.
        coordinates: `"either"`, pixels or normalised to [0, 1], which their
            size tells, or `"normalised"`.
        third: As in `Detection`.
        image_size: (width, height), or None.
        fps: Frames a second, or None.
        is_clip: Whether frames follow each other, so that people can be
            followed; False for a collection of photographs.
        of_video: As in `Keypoints`.
    """

    batch: Batch
    skeleton: Conversion | None
    frame_count: int
    coordinates: str = "either"
    third: str = "score"
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    is_clip: bool = True
    of_video: bool = False


class Group(NamedTuple):
    """The people of one frame, or one person of it.

    Attributes:
        people: Of the frame.
        number: Of the frame; None if its value does not say.
        image: The name or id of its image, or None.
        time: In the unit of the file, or None.
        unit: Seconds of that unit, if the field's name says it.
        size: (width, height) of its image, or None.
        is_person: Whether it is one person, and others of the same frame may
            follow; False for a whole frame.
        form: What `form_of` says, if it was asked.
        fps: Frames a second, or None.
        place: What `id` or `index` of a whole frame says, or None.
    """

    people: list[Detection]
    number: int | None = None
    image: int | str | None = None
    time: float | None = None
    unit: float | None = None
    size: tuple[int, int] | None = None
    is_person: bool = False
    form: str | None = None
    fps: float | None = None
    place: int | None = None

    @property
    def label(self) -> int | str | float | None:
        """What the file calls the frame."""
        labels = (self.number, self.image, self.time)
        return next((own for own in labels if own is not None), None)


def third_of(people: Iterable[Detection]) -> str:
    """Returns what the scores of people may be, see `Detection.third`."""
    kinds = {person.third for person in people}
    if "either" in kinds:
        return "either"
    return "none" if kinds == {"none"} else "score"


def chosen(batch: Batch, rows: np.ndarray) -> Batch:
    """Returns some of the people of a batch, by index or (D,) bool."""
    return Batch(*(array[rows] for array in batch))
