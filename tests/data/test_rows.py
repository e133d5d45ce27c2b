"""Rows of tables of image files."""

import pytest

from kcv.data import rows
from kcv.data.rows import Row, Table


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return str(path)


def test_a_csv_file_gives_paths_and_labels_with_their_lines(tmp_path):
    path = write(tmp_path / "a.csv", 'path,label\nmy cat 猫.png,cat\n\n\'b,1\n"c,d.png",dog\n')
    table = rows.read(path, "csv")
    assert [(row.line, row.path, row.labels) for row in table.rows] == [
        (2, "my cat 猫.png", ("cat",)),
        (4, "'b", ("1",)),
        (5, "c,d.png", ("dog",)),
    ]
    assert (table.several, table.split, table.weight) == (False, False, False)
    assert (table.rows[0].part, table.rows[0].weight) == ("all", 1.0)


def test_all_columns_are_read_in_any_order_and_others_passed_over(tmp_path):
    path = write(tmp_path / "a.csv", "weight,who,split,labels,path\n0.5,me,Valid,a| b|a,x.png\n")
    (row,) = rows.read(path, "csv").rows
    assert row == Row(2, "x.png", ("a", "b"), "val", 0.5)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_excel_writes_is_read(tmp_path, delimiter):
    text = "path,label\na.png,x\n".replace(",", delimiter)
    path = write(tmp_path / "a.csv", text, encoding="utf-8-sig")
    assert rows.read(path, "csv").rows == [Row(2, "a.png", ("x",))]


def test_a_jsonl_file_takes_lists_numbers_and_nothing(tmp_path):
    lines = '{"path": "a", "labels": ["x", "y"]}\n\n{"path": "b", "labels": 3}\n'
    path = write(tmp_path / "a.jsonl", lines + '{"path": "c", "labels": null}\n')
    table = rows.read(path, "jsonl")
    assert [row.labels for row in table.rows] == [("x", "y"), ("3",), ()]
    assert table.several


def test_a_written_table_is_read_back(tmp_path):
    given = [Row(2, "a b 猫.png", ("x", "y"), "train", 0.5), Row(3, "c,d", (), "test", 1.0)]
    path = str(tmp_path / "a.csv")
    rows.write(path, Table(given, several=True, split=True, weight=True))
    assert rows.read(path, "csv") == Table(given, several=True, split=True, weight=True)


def test_only_the_columns_there_are_get_written(tmp_path):
    path = tmp_path / "a.csv"
    rows.write(str(path), Table([Row(2, "a", ("x",))], several=False, split=False, weight=False))
    assert path.read_text() == "path,label\na,x\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,label\na,x\n",
            "the columns 'path' and 'label' .* Received: 'file', 'label' in '.*a",
        ),
        ("path,class\na,x\n", "Received: 'path', 'class' in"),
        ("path,label\n", "The table '.*a.csv' has no rows. It needs a line for each image."),
        (
            "path,label\na,x,y\n",
            "as many columns as its header. Received: another number in line 2",
        ),
        ("path,label\na\n", "another number in line 2 of '.*a.csv'. Text that holds a ',' needs"),
        ("path,label\n,x\n", "Line 2 of '.*a.csv' cannot be used: it has no path"),
        ("path,label\na,x\nb,\n", "Line 3 .* its label is '', not the name of a class"),
        ("path,label,split\na,x,dev\n", "Line 2 .* its split is 'dev', not train, val or test"),
        ("path,label,weight\na,x,-1\n", "Line 2 .* its weight is '-1', not a number of at least 0"),
        ("path,label,weight\na,x,much\n", "its weight is 'much', not a number"),
        ('path,label\n"' + "a" * 200_000, "is not a table that can be read .* field larger"),
    ],
)
def test_a_csv_file_that_cannot_be_used_says_where(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        rows.read(write(tmp_path / "a.csv", text), "csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{'path'}", "needs to be a JSON object. Received: Expecting .* in line 1 of '.*a.jsonl'"),
        ('{"path": "a", "label": "x"}\n[1]', "Received: list in line 2 of"),
        ('{"path": "a", "label": ["x"]}', r"its label is \['x'\], .* 'labels' takes several"),
        ('{"path": "a", "label": "x"}\n{"path": "b"}', "Line 2 .* cannot be used: no 'label'"),
    ],
)
def test_a_jsonl_file_that_cannot_be_used_says_where(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        rows.read(write(tmp_path / "a.jsonl", text), "jsonl")


def test_a_missing_table_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="needs a file that exists. Received: '.*none.csv'"):
        rows.read(str(tmp_path / "none.csv"), "csv")
    with pytest.raises(ValueError, match="needs a table, not a folder. Received: "):
        rows.read(str(tmp_path), "csv")
