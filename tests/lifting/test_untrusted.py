"""Files from strangers: JSON and sizes."""

import json

import numpy as np
import pytest

from ampose_tf.lifting import untrusted


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, -0, 2.5, 1e-7, 0.1, 12345678901234567], "é": null}',
        '{"a": 1, "a": true}',
        "[NaN, Infinity, -Infinity, 1e400]",
        '["\\\\ud800"]',
        str(10**400),
    ],
)
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_what_python_reads(text, coding):
    expected = json.loads(text)
    found = untrusted.parse(text.encode(coding))
    assert repr(found) == repr(expected)
    assert repr(untrusted.parse(text)) == repr(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1,}', r"not JSON: .* \(line 1, column \d+\)"),
        (b"[1,\n2,\n3", r"not JSON: .* \(line 3, column 2\)"),
        (b"[\xff]", "not JSON: its text is not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"", "not JSON"),
    ],
)
def test_what_is_no_json_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        untrusted.parse(text)
    assert "\n" not in str(error.value)


def test_what_has_no_size_is_bounded_too():
    with pytest.raises(ValueError, match="larger than 1000 bytes"):
        untrusted.read("/dev/zero", 1000)
    assert untrusted.read("/dev/null", 1000) == b""


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_files_up_to_the_bound_are_read(tmp_path, size):
    content = np.random.default_rng(1).bytes(size)
    (tmp_path / "file").write_bytes(content)
    assert untrusted.read(tmp_path / "file", 1000) == content
    if size:
        with pytest.raises(ValueError, match=f"larger than {size - 1} bytes"):
            untrusted.read(tmp_path / "file", size - 1)
