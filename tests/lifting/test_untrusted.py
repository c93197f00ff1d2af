"""Files from strangers: JSON and sizes."""

import gzip
import json
import os

import numpy as np
import pytest

from ampose_tf import reading
from ampose_tf.lifting import untrusted


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, -0, 2.5, 1e-7, 0.1, 12345678901234567], "é": null}',
        '{"a": 1, "a": true}',
        "[NaN, Infinity, -Infinity, 1e400]",
        '["\\\\ud800"]',
        str(2**64 - 1),
    ],
)
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_what_python_reads(text, coding):
    expected = json.loads(text)
    found = untrusted.parse(text.encode(coding))
    assert repr(found) == repr(expected)
    assert repr(untrusted.parse(text)) == repr(expected)


@pytest.mark.parametrize("text", ["[18446744073709551616, NaN]", "[1e99]"])
def test_numbers_over_64_bits_are_rounded(text):
    """Whole ones could be chosen so that, as keys, they hash alike."""
    first = untrusted.parse(text)[0]
    assert type(first) is float and first == json.loads(text)[0]
    assert untrusted.parse(f"[{10**400}, NaN]")[0] == float("inf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1,}', r"not JSON: .* \(line 1, column \d+\)"),
        (b"[1,\n2,\n3", r"not JSON: .* \(line 3, column 2\)"),
        (b"[\xff]", "not JSON: the text is not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"9" * 5000, "a number of 5000 digits"),
        (b"[1, NaN, " + b"9" * 5000 + b"]", "a number of 5000 digits"),
        ("[1".encode("utf-16")[:-1], "not JSON: the text is not utf-16"),
        (b"", "not JSON"),
    ],
)
def test_what_is_no_json_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        untrusted.parse(text)
    assert "\n" not in str(error.value)


def deep(depth, inner=""):
    """Lists and objects in turns, with texts that look like them."""
    text = inner
    for level in range(depth):
        text = (
            f'[1, "]]]\\"[", {text or 1}]'
            if level % 2
            else '{"[[[{}\\\\": ' + f'{text or 1}, "b": "}}}}"}}'
        )
    return text


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_depth_is_what_is_nested(coding):
    for depth in (1, 63, 64):
        text = deep(depth)
        beside = f'{{"a": [[["{"[" * 99}", "", "]"]]]}}'
        text = f'["[", "[", {text if depth < 64 else 1}, {beside}]'
        assert untrusted.parse(text.encode(coding)) == json.loads(text)
    assert untrusted.parse(deep(64)) == json.loads(deep(64))
    for depth in (65, 66, 500, 20_000):
        for text in (deep(depth), f'[1, "x", {deep(depth - 1)}]'):
            with pytest.raises(ValueError, match="deeply, more than 64 lists"):
                untrusted.parse(text.encode(coding))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clip 1", "clip 1"),
        ("Übung 木 \\n", "Übung 木 \\n"),
        ("a\nb\x1b[31m\r\0", r"a\nb\x1b[31m\r\x00"),
        ("\u202eabc\u2028\u200f\ud800", r"\u202eabc\u2028\u200f\ud800"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("\n" * 10**6, r"\n" * 39 + "\\…"),
    ],
)
def test_text_is_shown_in_one_line(text, expected):
    assert reading.shown(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\x1b\u202e\n", r"'a\x1b\u202e\n'"),
        ("x" * 10**6, "'" + "x" * 38 + "…"),
        (np.str_("a\n"), r"'a\n'"),
        (b"\x1b" * 10**6, r"b'" + r"\x1b" * 9 + r"\…"),
        pytest.param(10**5000, "a number of more than 38 digits", id="5000"),
        (1.5, "1.5"),
        (None, "None"),
        ([], "an empty list"),
        ([[[]]], "a list of 1, the first a list"),
        (((((1,),),),), "a list of 1, the first a list"),
        ({"a\n": 1, 2: 3}, r"an object with 'a\n', 2"),
        (
            dict.fromkeys("x" * 50 + str(i) for i in range(20)),
            "an object with "
            + ("'" + "x" * 38 + "…, ") * 2
            + "'"
            + "x" * 34
            + "…, …",
        ),
        (np.zeros((1, 2)), "[[0.0, 0.0]]"),
        (np.array("a\n"), r"'a\n'"),
        (np.zeros((3, 17)), "an array of shape (3, 17) of float64"),
        (
            np.array([[[]], None], object),
            "an array of shape (2,) of object",
        ),
    ],
)
def test_values_are_described_in_one_line(value, expected):
    assert untrusted.brief(value) == expected
    assert len(expected) < 150 and expected.isprintable()


def test_arrays_of_too_many_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_NUMBERS", 5)
    assert untrusted.numbers(np.arange(5, dtype=np.uint8), "a").sum() == 10
    with pytest.raises(ValueError, match="a: more than 5 numbers"):
        untrusted.numbers(np.arange(6, dtype=np.uint8), "a")


def test_what_gzip_unpacks_to_is_bounded(monkeypatch):
    assert untrusted.unpacked(gzip.compress(b"[]")) == b"[]"
    assert untrusted.unpacked(b"[]") == b"[]"
    monkeypatch.setattr(untrusted, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="unpacks to more than 1000 bytes"):
        untrusted.unpacked(gzip.compress(bytes(1001)))


def test_what_has_no_size_is_bounded_too():
    for count, message in ((1000, None), (1001, "larger than 1000 bytes")):
        source, sink = os.pipe()
        os.write(sink, bytes(count))
        os.close(sink)
        path = f"/dev/fd/{source}"
        if message is None:
            assert untrusted.read(path, 1000) == bytes(1000)
        else:
            with pytest.raises(ValueError, match=message):
                untrusted.read(path, 1000)
        os.close(source)


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_files_up_to_the_bound_are_read(tmp_path, size):
    content = np.random.default_rng(1).bytes(size)
    (tmp_path / "file").write_bytes(content)
    assert untrusted.read(tmp_path / "file", 1000) == content
    if size:
        with pytest.raises(ValueError, match=f"larger than {size - 1} bytes"):
            untrusted.read(tmp_path / "file", size - 1)
