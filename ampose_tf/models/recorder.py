"""A training run on disk, from epoch to epoch."""

import csv
import io
import math
import os
import pathlib
import time

import keras
import numpy as np

from ampose_tf import files
from ampose_tf.models import checkpoint

CHECKPOINT = "checkpoint.npz"
BEST = "best.keras"
LAST = "last.keras"
HISTORY = "history.csv"


class Recorder(keras.callbacks.Callback):
    """Keeps the run on disk and stops it where the loss is not finite.

    Args:
        workdir: The run's folder.
        model: What is trained, compiled; with a method `rebuilt`.
        teacher: The file of its teacher; empty for none.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        model: keras.Model,
        teacher: str | os.PathLike = "",
    ):
        super().__init__()
        self.workdir = workdir
        self.history = []
        self._model = model
        self._teacher = teacher
        self._teacher_sha256 = files.sha256(teacher) if teacher else ""
        self._best_epoch = 0
        # What is published computes in float32 whatever trained it, and
        # carries no optimiser.
        self._portable = model.rebuilt()

    @property
    def best(self) -> dict[str, float]:
        """The row of the history with the lowest validation MPJPE."""
        return self.history[self._best_epoch]

    def resume(self) -> int:
        """Takes up an earlier run; returns how many epochs it finished.

        Raises:
            OSError: Where its checkpoint cannot be read.
            ValueError: Where that is damaged or of another model, or another
                teacher taught the run.
        """
        path = self.workdir / CHECKPOINT
        if not path.exists():
            return 0
        progress = checkpoint.restore(path, self._model)
        if progress.teacher_sha256 != self._teacher_sha256:
            raise ValueError(
                f"{self._teacher} is not the file that taught the run in "
                f"{self.workdir} so far; put that back, or choose another "
                "--workdir"
            )
        self.history = progress.history
        self._best_epoch = progress.best_epoch
        self._publish()
        return len(self.history)

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.monotonic()
        self._rate = float(self._model.optimizer.learning_rate)

    def on_train_batch_end(self, batch, logs=None):
        # The running mean of an epoch stays NaN once a step's loss was.
        self._steps = batch + 1
        if not math.isfinite(logs["loss"]):
            self._stop(f"The loss is {logs['loss']} at step {self._steps}")

    def _stop(self, what):
        finished = len(self.history)
        kept = "no epoch was finished"
        if finished:
            kept = f"{self.workdir / CHECKPOINT} holds epoch {finished}"
        raise FloatingPointError(f"{what} of epoch {finished + 1}; {kept}")

    def _check_finite(self, logs):
        """The last step's update shows in no loss of its epoch."""
        state = self._model.variables + self._model.optimizer.variables
        if not (
            all(map(math.isfinite, logs.values()))
            and all(np.isfinite(variable).all() for variable in state)
        ):
            self._stop(f"The weights are not finite after step {self._steps}")

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self._start
        logs = {name: float(value) for name, value in logs.items()}
        self._check_finite(logs)
        self.history.append(
            {"epoch": epoch + 1, **logs, "learning_rate": self._rate}
            | {"seconds": round(seconds, 1)}
        )
        if logs["val_mpjpe_mm"] < self.best["val_mpjpe_mm"]:
            self._best_epoch = epoch
        checkpoint.save(
            self.workdir / CHECKPOINT,
            self._model,
            checkpoint.Progress(
                self.history, self._best_epoch, self._teacher_sha256
            ),
        )
        self._publish()

    def _publish(self):
        """Writes what follows from the checkpoint; the history comes last.

        So a history that lacks the last epoch tells a resumed run that it was
        killed in here, and what to write again.
        """
        path = self.workdir / HISTORY
        table = _as_csv(self.history)
        if path.exists() and path.read_text(encoding="utf-8") == table:
            return
        self._portable.set_weights(self._model.get_weights())
        names = [LAST]
        if self._best_epoch == len(self.history) - 1:
            names.append(BEST)
        for name in names:
            with files.replacing(self.workdir / name) as temporary:
                self._portable.save(temporary)
        files.write_text(path, table)


def _as_csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
