r"""Says where the time of a `.tflite` goes, by kind of operator.

    python benchmarks/operator_times.py
    python benchmarks/operator_times.py --model=ampose_b --formats=float32

LiteRT's Python package times whole calls alone, and XNNPACK runs the whole
graph as one operator. So the graph is cut behind each operator in turn, what
came last being its output, and the processor time of each cut is taken; what
an operator takes is what its cut takes more than the cut before, and never
less than nothing. The differences of single operators are noisy, the sums by
kind are not.

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
import timed
from absl import flags
from scipy import optimize

from ampose_tf import config

_FORMATS = flags.DEFINE_list(
    "formats", ["float32", "dynamic_int8"], "Of the .tflite files."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 30, "How often every cut is timed.", lower_bound=1
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

    for name in timed.MODELS.value:
        model, described, path = timed.load(name)
        given = timed.pose(timed.inputs(model))
        with tempfile.TemporaryDirectory() as folder:
            for format in _FORMATS.value:
                file = timed.tflite(model, path, format, folder)
                whole = runtime.tables(file)
                seconds = times(whole, given, _ROUNDS.value)
                found = kinds(whole, seconds)
                print(as_text(f"{described}, {format}", found), flush=True)
                print()


def cuts(whole):
    """Yields a `.tflite` of the first operator, of the first two, and so on.

    Args:
        whole: The tables of a file of one signature, whose operators are in
            the order in which they run.
    """
    whole = copy.copy(whole)
    subgraph = copy.copy(whole.subgraphs[0])
    whole.subgraphs, whole.signatureDefs = [subgraph], []
    operators = list(subgraph.operators)

    from ampose_tf.export import flatbuffer

    for count in range(1, len(operators) + 1):
        subgraph.operators = operators[:count]
        subgraph.outputs = operators[count - 1].outputs
        yield flatbuffer.write(whole)


def kinds(whole, seconds):
    """Returns {name: Kind} of what its cuts take, the slowest kind first."""
    from ampose_tf.export import flatbuffer

    found = collections.defaultdict(Kind)
    (operators,) = flatbuffer.operators(whole)
    each = np.diff(seconds, prepend=0)
    for operator, taken in zip(operators, each, strict=True):
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
        whole: See `cuts`.
        given: Arrays of the inputs.
        rounds: How often every cut is timed; medians count.
    """
    # One at a time: each holds the weights, and packs them once more.
    taken = np.array(
        [
            [_of_cut(content, given) for content in cuts(whole)]
            for _ in range(rounds)
        ]
    )
    return optimize.isotonic_regression(np.median(taken, axis=0)).x


def _of_cut(content, given):
    from ai_edge_litert import interpreter as litert

    cut = litert.Interpreter(model_content=content, num_threads=1)
    cut.allocate_tensors()
    # Keypoints and, where the model takes it, seen differ in shape.
    arrays = {array.shape: array for array in given.values()}
    for detail in cut.get_input_details():
        array = arrays[tuple(detail["shape"].tolist())]
        cut.set_tensor(detail["index"], array)
    cut.invoke()
    start = time.process_time()
    for _ in range(_CALLS):
        cut.invoke()
    return (time.process_time() - start) / _CALLS


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
