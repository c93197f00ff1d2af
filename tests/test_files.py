import os
import signal
import subprocess
import sys
import textwrap

import pytest

from ampose_tf import files


def run_python(code, *arguments):
    """Runs code that may die; returns what it left of a process."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "model.keras"
    with files.replacing(path) as temporary:
        assert temporary.name == "model.keras"
        temporary.write_text("weights")
        assert not path.exists()
    assert path.read_text() == "weights"
    assert names(path.parent) == ["model.keras"]


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("old")
    with files.replacing(str(path)) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["config.json"]


def test_write_text_is_utf_8(tmp_path):
    files.write_text(tmp_path / "report.txt", "9 µm, Übung\n")
    written = (tmp_path / "report.txt").read_bytes()
    assert written == b"9 \xc2\xb5m, \xc3\x9cbung\n"


def test_an_open_file_keeps_its_content(tmp_path):
    path = tmp_path / "weights"
    path.write_text("old")
    with open(path) as reader:
        files.write_text(path, "new")
        assert reader.read() == "old"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "best.keras"
    path.write_text("old")
    with pytest.raises(error, match="midway"), files.replacing(path) as new:
        new.write_text("half")
        raise error("midway")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["best.keras"]


def test_a_block_that_writes_nothing_leaves_the_old_file(tmp_path):
    path = tmp_path / "best.keras"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), files.replacing(path):
        pass
    assert path.read_text() == "old"
    assert names(tmp_path) == ["best.keras"]


def test_a_directory_is_replaced_whole(tmp_path):
    path = tmp_path / "saved_model"
    for content in ("old", "new"):
        with files.replacing(path) as temporary:
            (temporary / "variables").mkdir(parents=True)
            (temporary / "variables" / content).write_text(content)
    assert names(path / "variables") == ["new"]
    assert names(tmp_path) == ["saved_model"]


def test_an_exception_leaves_the_old_directory(tmp_path):
    path = tmp_path / "saved_model"
    path.mkdir()
    (path / "old").write_text("old")
    with (
        pytest.raises(ValueError, match="midway"),
        files.replacing(path) as temporary,
    ):
        temporary.mkdir()
        (temporary / "half").write_text("half")
        raise ValueError("midway")
    assert names(path) == ["old"]
    assert names(tmp_path) == ["saved_model"]


def test_a_directory_does_not_give_way_to_a_file(tmp_path):
    path = tmp_path / "runs"
    path.mkdir()
    (path / "kept").write_text("kept")
    with pytest.raises(IsADirectoryError):
        files.write_text(path, "text")
    assert names(path) == ["kept"]
    assert names(tmp_path) == ["runs"]


def test_neighbours_are_not_opened(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    files.write_text(tmp_path / "config.json", "text")
    assert names(tmp_path) == ["config.json", "link"]


KILLED = """
    import os, signal, sys
    from ampose_tf import files
    with files.replacing(sys.argv[1]) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_the_old_file_and_leftovers_go(tmp_path):
    path = tmp_path / "last[1].keras"
    path.write_text("old")
    (tmp_path / ".last[1].keras.txt").write_text("the user's own")
    (tmp_path / ".other.keras.abc").mkdir()
    before = names(tmp_path)
    died = run_python(KILLED, path)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == len(before) + 1
    files.remove_leftovers(path)
    assert names(tmp_path) == before
    assert path.read_text() == "old"


def test_no_leftovers_to_remove(tmp_path):
    files.remove_leftovers(tmp_path / "missing" / "last.keras")
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file size")
def test_a_full_disk_is_an_os_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "best.keras"
    path.write_text("old")
    ended = run_python(
        """
        import resource, signal, sys
        from ampose_tf import files
        # A write beyond the limit then fails as one on a full disk does.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            files.write_text(sys.argv[1], 4097 * "n")
        except OSError as error:
            print(type(error).__name__)
        """,
        path,
    )
    assert ended.stdout == "OSError\n", ended.stderr
    assert path.read_text() == "old"
    assert names(tmp_path) == ["best.keras"]


def test_sha256_is_fips_180s(tmp_path):
    """Of "abc", the first example of FIPS 180-4's test vectors."""
    (tmp_path / "file").write_bytes(b"abc")
    assert files.sha256(tmp_path / "file") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
