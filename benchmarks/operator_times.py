r"""Says where the time of a `.tflite` goes, by kind of operator.

    python benchmarks/operator_times.py
    python benchmarks/operator_times.py --model=ampose_b --formats=float32

LiteRT's Python package times whole calls alone, and XNNPACK runs the whole
graph as one operator. So the graph is cut behind each operator in turn, what
came last being its output, and the processor time of each cut is taken; what
an operator takes is what its cut takes more than the cut before, and never
less than nothing. Single differences are noise, much of which cancels in the
sums by kind; the first operator's kind bears the cost of a call. A model
takes some minutes.

Of dense layers the table also says how many multiplications and additions a
second they reach, of joints that there are: kernels that work on tiles of
rows also compute those that fill the last tile.
"""

import collections
import copy
import dataclasses
import tempfile
import time

import numpy as np
import timed_models
from absl import flags
from scipy import optimize

from ampose_tf import config

_MODELS = timed_models.define_flag()
_FORMATS = flags.DEFINE_list(
    "formats", ["float32", "dynamic_int8"], "Of the .tflite files."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 10, "How often each cut is timed.", lower_bound=1
)

_CALLS = 10  # of one cut, in one round
_DENSE = "FULLY_CONNECTED"


@dataclasses.dataclass
class Kind:
    """All operators of one name.

    Attributes:
        count: How many.
        seconds: What they take together.
        operations: Multiplications and additions of dense layers.
    """

    count: int = 0
    seconds: float = 0
    operations: int = 0


def main():
    from ampose_tf.export import runtime

    for name in _MODELS.value:
        model, described, path = timed_models.load(name)
        given = timed_models.pose(timed_models.inputs(model))
        with tempfile.TemporaryDirectory() as folder:
            for format in _FORMATS.value:
                file = timed_models.file_of(model, path, format, folder)
                whole = runtime.tables(file)
                found = kinds(whole, times(whole, given, _ROUNDS.value))
                print(as_text(f"{described}, {format}", found), flush=True)
                print()


def running(whole):
    """Returns the operators that run in a call, by their places.

    Those that read constants alone run when the file is loaded: of float16,
    what makes its weights float32.

    Args:
        whole: The tables of a file of one signature.
    """
    from ampose_tf.export import flatbuffer

    (operators,) = flatbuffer.operators(whole)
    return {
        place: operator
        for place, operator in enumerate(operators)
        if not all(tensor.constant for tensor in operator.inputs)
    }


def cuts(whole):
    """Yields a `.tflite` for each of `running`, which ends behind it.

    Args:
        whole: See `running`; its operators are in the order in which they
            run.
    """
    from ampose_tf.export import flatbuffer

    whole = copy.copy(whole)
    subgraph = copy.copy(whole.subgraphs[0])
    operators = list(subgraph.operators)
    for place in running(whole):
        subgraph.operators = operators[: place + 1]
        subgraph.outputs = operators[place].outputs
        whole.subgraphs, whole.signatureDefs = [subgraph], []
        yield flatbuffer.write(whole)


def kinds(whole, seconds):
    """Returns {name: Kind} of what runs, the slowest kind first.

    Args:
        whole: See `running`.
        seconds: Of each cut, as from `times`.
    """
    found = collections.defaultdict(Kind)
    each = np.diff(seconds, prepend=0)
    for operator, taken in zip(running(whole).values(), each, strict=True):
        kind = found[operator.name]
        kind.count += 1
        kind.seconds += taken
        if operator.name == _DENSE:
            inputs, kernel = operator.inputs[:2]
            rows = np.prod(inputs.shape[:-1], dtype=int)
            kind.operations += 2 * int(rows) * int(np.prod(kernel.shape))
    return dict(sorted(found.items(), key=lambda item: -item[1].seconds))


def times(whole, given, rounds):
    """Returns the processor time of a call of each cut, s; it never falls.

    Args:
        whole: See `running`.
        given: Arrays of the inputs.
        rounds: How often each is timed; medians count.
    """
    taken = [_of_cut(content, given, rounds) for content in cuts(whole)]
    return optimize.isotonic_regression(taken).x


def _of_cut(content, given, rounds):
    from ai_edge_litert import interpreter as litert

    cut = litert.Interpreter(model_content=content, num_threads=1)
    cut.allocate_tensors()
    # Keypoints and, where the model takes it, seen differ in shape.
    arrays = {array.shape: array for array in given.values()}
    for detail in cut.get_input_details():
        array = arrays[tuple(detail["shape"].tolist())]
        cut.set_tensor(detail["index"], array)
    cut.invoke()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(_CALLS):
            cut.invoke()
        taken.append((time.process_time() - start) / _CALLS)
    return np.median(taken)


def as_text(described, found):
    """Returns a Markdown table of what `kinds` returns."""
    whole = sum(kind.seconds for kind in found.values())
    rows = [
        f"| {described} | count | ms | share | Gop/s |",
        "|---" * 5 + "|",
    ]
    for name, kind in found.items():
        rate = ""
        if kind.operations:
            rate = f"{kind.operations / max(kind.seconds, 1e-9) / 1e9:.0f}"
        rows.append(
            f"| {name} | {kind.count} | {1e3 * kind.seconds:.3f} | "
            f"{kind.seconds / whole:.1%} | {rate} |"
        )
    return "\n".join(rows) + f"\n\n{1e3 * whole:.3f} ms in all."


if __name__ == "__main__":
    config.run(main)
