"""Lance data sets and Iceberg tables: the rows of the newest version, in any number of tasks."""

import shutil

import pyarrow as pa
import pytest

from semantic_pivots.corpus.documents import documents, list_files
from semantic_pivots.errors import InputError

ROWS = pa.table(
    {"text": [f"text {n}" for n in range(30)], "id": [str(n) for n in range(30)], "lang": ["en"] * 30, "n": range(30)}
)


def ids(path):
    return [document.id for document in documents(str(path), {})]


@pytest.fixture
def lance_folder(tmp_path):
    import lance

    data = lance.write_dataset(ROWS, tmp_path / "old.lance", max_rows_per_file=7)
    data.delete("id = '3'")
    lance.write_dataset(ROWS.slice(0, 2), tmp_path / "old.lance", mode="append")
    return tmp_path


def test_a_lance_data_set_is_its_newest_version_one_file_a_fragment(lance_folder):
    assert ids(lance_folder / "old.lance") == [str(n) for n in range(30) if n != 3] + ["0", "1"]
    assert len(list_files(str(lance_folder))) == 6
    assert next(documents(str(lance_folder), {})).language == "en"


def test_a_damaged_lance_data_set_is_one_line(lance_folder):
    shutil.rmtree(lance_folder / "old.lance" / "data")
    with pytest.raises(InputError, match=r"old\.lance"):
        ids(lance_folder)


def iceberg(folder, place="tables"):
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("own", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/{place}")
    catalog.create_namespace_if_not_exists("texts")
    table = catalog.create_table("texts.old", schema=ROWS.schema)
    table.append(ROWS)
    return table


def test_an_iceberg_table_is_its_newest_snapshot(tmp_path):
    table = iceberg(tmp_path)
    table.delete("id = '3'")  # which writes the other rows anew, and leaves the old file
    table.append(ROWS.slice(0, 2))
    assert sorted(ids(tmp_path / "tables")) == sorted([*(str(n) for n in range(30) if n != 3), "0", "1"])


def test_a_table_that_was_moved_is_one_line(tmp_path):
    iceberg(tmp_path)
    (tmp_path / "tables").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="Iceberg"):
        ids(tmp_path / "elsewhere")


def test_an_iceberg_table_that_holds_no_row_is_one_line(tmp_path):
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("own", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/tables")
    catalog.create_namespace_if_not_exists("texts")
    catalog.create_table("texts.old", schema=ROWS.schema)
    with pytest.raises(InputError, match="no documents in"):
        ids(tmp_path / "tables")


def test_a_file_beside_documents_makes_no_iceberg_table(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "rows.jsonl").write_text('{"text": "a dog", "id": "1"}\n')
    (tmp_path / "own" / "rows.metadata.json").write_text('{"text": "a cat", "id": "2"}\n')
    assert sorted(ids(tmp_path / "own")) == ["1", "2"]
