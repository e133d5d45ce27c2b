"""What is found out about a file is kept."""

from kcv.data import cache


def count_lines(path, word=""):
    with open(path) as file:
        return len([line for line in file if word in line])


def asked(path):
    with open(path, "a") as file:
        file.write("")
    with open(f"{path}.asked", "a") as file:
        file.write("x")
    return 1


def test_a_result_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("KCV_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.txt"
    path.write_text("1\n2\n")
    assert [cache.remembered(asked, str(path)) for _ in range(3)] == [1, 1, 1]
    assert (tmp_path / "a.txt.asked").read_text() == "x"
    assert cache.remembered(count_lines, str(path)) == 2
    path.write_text("1\n2\n3\n")
    assert cache.remembered(count_lines, str(path)) == 3


def test_other_arguments_give_another_result(tmp_path, monkeypatch):
    monkeypatch.setenv("KCV_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.txt"
    path.write_text("1\n2\n")
    assert cache.remembered(count_lines, str(path), "2") == 1
    assert cache.remembered(count_lines, str(path)) == 2


def test_a_cache_that_cannot_be_used_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KCV_CACHE", str(tmp_path / "file"))
    assert cache.remembered(count_lines, str(tmp_path / "file")) == 0
    monkeypatch.setenv("KCV_CACHE", str(tmp_path / "cache"))
    cache.remembered(count_lines, str(tmp_path / "file"))
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text("{")
    assert cache.remembered(count_lines, str(tmp_path / "file")) == 0


def test_the_folder_is_in_the_users_cache(monkeypatch):
    monkeypatch.delenv("KCV_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.folder() == "/somewhere/kcv"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder().endswith(".cache/kcv")
