"""Records of the people in a file, and notes on how the file was read."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ampose_tf import reading
from ampose_tf.conversion import Conversion
from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.untrusted import brief

# The number of names that a note lists, and the length of that list; the
# number of notes that are kept for a file or stream; the length of a note.
_SHOWN = 6
_SHOWN_LETTERS = 100
_MOST = 100
_LONGEST = 300


class Account:
    """Collects notes on what was assumed, left out or not read, in order."""

    def __init__(self):
        self._notes = {}
        self._unread = {}
        self._clips = {}

    def note(self, sentence: str) -> None:
        """Adds a sentence, unless it was added before."""
        if len(self._notes) < _MOST:
            self._notes[reading.shown(sentence, _LONGEST)] = None

    def unread(self, names: Iterable[str], what: str = "fields") -> None:
        """Adds names of fields or columns that no reader understands."""
        for name in names:
            known = self._unread.setdefault(what, {})
            if len(known) < _MOST:
                known[name] = None

    def clip(self, name) -> None:
        """Adds the name of the clip or camera of a part of the file.

        Raises:
            ValueError: If the parts belong to different clips.
        """
        if type(name) in (int, str) and name != "":
            self._clips[name] = None
        if len(self._clips) > 1:
            one, two = map(brief, self._clips)
            raise ValueError(
                f"several clips, {one} and {two}; expected one clip per file: "
                "save each clip to its own file"
            )

    def notes(self) -> tuple[str, ...]:
        """Returns the notes, one sentence each."""
        unread = []
        for what, names in self._unread.items():
            listed = [brief(name) for name in list(names)[:_SHOWN]]
            while len(", ".join(listed)) > _SHOWN_LETTERS:
                listed.pop()
            names_shown = ", ".join(listed)
            if len(names) > len(listed):
                names_shown += f" and {len(names) - len(listed)} more"
            known = "; ".join(
                f"{meaning}s such as {examples}"
                for meaning, examples in vocabulary.KNOWN_NAMES.items()
            )
            unread.append(
                f"Not read: {what} {names_shown}. Known names are {known}."
            )
        return (*self._notes, *unread)


class Detection(NamedTuple):
    """One person in one frame, as read from a file.

    Attributes:
        points: (S, 2) float64, x and y; NaN where missing.
        scores: (S,) float64; NaN where missing.
        names: Names of the joints; None if the file has no names.
        track_id: Id of the person; None if the file has none.
        score: Score of the whole person; None if the file has none.
        third: Kind of `scores`: `"score"`, `"none"` if the file has no
            scores, or `"either"` if they may be scores or z.
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
        track_ids: (D,) int64, -1 where the file has none.
        person_scores: (D,) float64, NaN where the file has none.
    """

    frames: np.ndarray
    points: np.ndarray
    scores: np.ndarray
    track_ids: np.ndarray
    person_scores: np.ndarray


class Recording(NamedTuple):
    """A clip as read from a file.

    Attributes:
        batch: The people in the clip.
        skeleton: Skeleton of the joints; None if there are no people.
        frame_count: Number of frames, including those without people.
        coordinates: `"normalised"`, or `"either"` for coordinates whose
            magnitude decides whether they are pixels or normalised to [0, 1].
        third: As in `Detection`.
        image_size: (width, height), or None.
        fps: Frames per second, or None.
        is_clip: Whether the frames are consecutive, so that people can be
            tracked; False for a collection of photographs.
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
    """The people in one frame, or one person in it.

    Attributes:
        people: People in the frame.
        number: Frame number; None if the file has none.
        image: Name or id of the frame's image, or None.
        time: Time in the file's unit, or None.
        unit: Length of that unit in seconds, if the field's name gives it.
        size: (width, height) of the image, or None.
        is_person: True for a single person, to whose frame later groups may
            add others; False for a whole frame.
        form: Result of `tools.form_of`, where it was called.
        fps: Frames per second, or None.
        place: Value of a whole frame's `id` or `index`, or None.
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
        """The file's label for the frame: its number, image or time."""
        labels = (self.number, self.image, self.time)
        return next((own for own in labels if own is not None), None)


def third_of(people: Iterable[Detection]) -> str:
    """Returns the kind of the people's scores, see `Detection.third`."""
    kinds = {person.third for person in people}
    if "either" in kinds:
        return "either"
    return "none" if kinds == {"none"} else "score"


def chosen(batch: Batch, rows: np.ndarray) -> Batch:
    """Returns some of the people of a batch, by index or (D,) bool."""
    return Batch(*(array[rows] for array in batch))
