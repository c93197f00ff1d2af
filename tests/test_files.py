import contextlib
import errno
import os
import signal
import subprocess
import sys
import tempfile
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
    # What is not of this module stays.
    (tmp_path / ".ampose.versions").mkdir()
    (tmp_path / ".ampose.versions" / "lock").touch()
    (tmp_path / ".ampose.versions" / "mine").touch()
    (tmp_path / ".ampose.abcdefgh").write_text("a file")
    (tmp_path / ".other.abcdefgh").mkdir()
    before = names(tmp_path)
    died = run_python(KILLED, path)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == len(before) + 1
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == before
    assert path.read_text() == "old"


def test_the_next_write_removes_leftovers(tmp_path):
    assert run_python(KILLED, tmp_path / "a").returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    files.write_text(tmp_path / "b", "text")
    assert names(tmp_path) == ["b"]


def test_scratch_of_a_killed_process_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    died = run_python(
        """
        import os, signal
        from ampose_tf import files
        with files.scratch() as folder:
            (folder / "weights").write_text("many")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    (left,) = names(tmp_path)
    # Another user's is left to that user.
    monkeypatch.setattr(files, "_USER", os.geteuid() + 1)
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == [left]
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(files, "_tidied", set())
    with files.scratch() as folder:
        (folder / "weights").touch()
        assert left not in names(tmp_path)
    assert names(tmp_path) == []


def test_what_a_live_process_is_writing_stays(tmp_path):
    with files.replacing(tmp_path / "a") as temporary:
        ended = run_python(
            """
            import sys
            from ampose_tf import files
            files.remove_leftovers(sys.argv[1])
            files.write_text(sys.argv[1] + "/b", "text")
            """,
            tmp_path,
        )
        assert ended.returncode == 0, ended.stderr
        temporary.write_text("a")
    assert names(tmp_path) == ["a", "b"]


KILLED_BETWEEN = """
    import os, signal, sys
    from ampose_tf import files
    replace = os.replace
    def dying(one, other):
        if os.fspath(other) == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(one, other)
    os.replace = dying
    with files.replacing(sys.argv[1]) as temporary:
        temporary.mkdir()
"""


def test_a_directory_moved_aside_is_put_back(tmp_path):
    path = tmp_path / "saved_model"
    path.mkdir()
    (path / "old").touch()
    assert run_python(KILLED_BETWEEN, path).returncode == -signal.SIGKILL
    assert not path.exists()
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == ["saved_model"] and names(path) == ["old"]


def test_no_leftovers_to_remove(tmp_path):
    files.remove_leftovers(tmp_path / "missing")
    assert names(tmp_path) == []


def without_links(*_, **__):
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder"])
def test_what_comes_in_between_is_not_replaced(
    tmp_path, monkeypatch, has_links, kind
):
    """Another process is faster than this one's look."""
    if not has_links:
        monkeypatch.setattr(os, "link", without_links)
    path, outside = tmp_path / "in" / "clip.npz", tmp_path / "outside"
    if kind == "link":
        outside.write_text("theirs")
    with (
        pytest.raises(FileExistsError, match=r"clip\.npz exists; give --over"),
        files.replacing(path, overwrite=False) as temporary,
    ):
        temporary.write_text("ours")
        if kind == "file":
            path.write_text("theirs")
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to(outside)
    assert names(tmp_path / "in") == ["clip.npz"]
    assert path.is_symlink() is (kind in ("link", "dangling"))
    assert outside.exists() is (kind == "link")
    if kind in ("file", "link"):
        assert path.read_text() == "theirs"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_without_overwriting(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", without_links)
    with files.replacing(tmp_path / "a", overwrite=False) as temporary:
        temporary.write_text("text")
    assert (tmp_path / "a").read_text() == "text"
    assert (tmp_path / "a").stat().st_nlink == 1
    assert names(tmp_path) == ["a"]


def test_a_new_directory_without_overwriting(tmp_path):
    path = tmp_path / "saved_model"
    for content in ("old", "new"):
        with (
            contextlib.suppress(FileExistsError),
            files.replacing(path, overwrite=False) as temporary,
        ):
            temporary.mkdir()
            (temporary / content).touch()
    assert names(path) == ["old"] and names(tmp_path) == ["saved_model"]


def test_one_of_many_writers_wins(tmp_path):
    """All have written before the end of a common pipe lets them go on."""
    code = """
        import sys
        from ampose_tf import files
        try:
            with files.replacing(sys.argv[1], overwrite=False) as temporary:
                temporary.write_text(sys.argv[2])
                print("written", flush=True)
                sys.stdin.read()
        except FileExistsError:
            sys.exit(3)
    """
    source, sink = os.pipe()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)]
            + [str(tmp_path / "a"), str(number)],
            stdin=source,
            stdout=subprocess.PIPE,
        )
        for number in range(3)
    ]
    os.close(source)
    for writer in writers:
        assert writer.stdout.readline() == b"written\n"
    os.close(sink)
    for writer in writers:
        writer.communicate(timeout=60)
    statuses = [writer.returncode for writer in writers]
    assert sorted(statuses) == [0, 3, 3]
    assert (tmp_path / "a").read_text() == str(statuses.index(0))
    assert names(tmp_path) == ["a"]


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "outside").write_text("theirs")
    for target in ("outside", "missing"):
        path = tmp_path / "in" / target
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(tmp_path / target)
        files.write_text(path, "ours")
        assert not path.is_symlink() and path.read_text() == "ours"
    assert (tmp_path / "outside").read_text() == "theirs"
    assert names(tmp_path) == ["in", "outside"]


@pytest.mark.parametrize(
    "name",
    [255 * "n", os.fsdecode(b"caf\xe9"), "two\nlines", "\u202e" * 85, "lock"],
    ids=["longest", "no UTF-8", "lines", "bytes", "lock"],
)
def test_names_up_to_the_limit_of_the_file_system(tmp_path, name):
    for content in ("old", "new"):
        files.write_text(tmp_path / name, content)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "new"


class ForeignError(Exception):
    """TensorFlow's errors are not OSErrors either."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        OSError("Can't write data (message = 'No space left on device')"),
        ForeignError("x/variables; No space left on device [Op:Save]"),
    ],
)
def test_a_full_disk_names_the_file(tmp_path, error):
    path = tmp_path / "best.keras"
    with (
        pytest.raises(OSError, match=r"best\.keras") as caught,
        files.replacing(path),
    ):
        raise error
    assert caught.value.filename == str(path)
    assert caught.value.errno in (errno.ENOSPC, errno.EDQUOT)
    assert names(tmp_path) == []


def test_errors_name_the_file_that_is_meant(tmp_path):
    with (
        pytest.raises(FileNotFoundError) as caught,
        files.workplace(tmp_path) as place,
        files.replacing(place / "a.npz"),
    ):
        pass
    assert caught.value.filename == str(tmp_path / "a.npz")


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
