"""The Parquet tables of a study: their names and columns, which the stages list, are public interface.

A probability is natural (0 to 1), a log-probability is in nats, a count names its unit in its own column,
and lengths are in tokens or UTF-8 bytes as the name says. Layer 0 is the output of the first block.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from semantic_pivots.stages import STAGES

# A figure with its uncertainty: value, 95 % interval, n and signature. n is the number of independent units behind it:
# concepts (of documents' figures documents, of translated sentences sentences, of planted worlds seeds), never items.
# Below ten units low and high are null, and the signature says so. An interval is that of one figure, not corrected for
# others.
_FIGURE = "value:float64 low:float64 high:float64 n:int64 signature"


def _type(name: str) -> pa.DataType:
    return pa.list_(_type(name[1:-1])) if name.startswith("[") else pa.type_for_alias(name)


def schema(columns: str) -> pa.Schema:
    """The schema of the columns that a stage lists.

    Args:
        columns: `name:type` each, separated by spaces; a type is Arrow's name of it (string if none is given), or
            `[type]` for a list; `*figure` stands for the columns of a figure with its interval.
    """
    parts = (column.partition(":") for column in columns.replace("*figure", _FIGURE).split())
    return pa.schema([(name, _type(kind or "string")) for name, _, kind in parts])


SCHEMAS = {name: schema(columns) for stage in STAGES.values() for name, columns in stage.tables.items()}
"""The schema of every table of a study."""


def conform(name: str, table: pa.Table) -> pa.Table:
    """The table with exactly the columns, order and types of its schema.

    Raises:
        KeyError: the name is not a table of a study.
        ValueError: a column is missing or unknown, or its values do not fit the type.
    """
    schema = SCHEMAS[name]
    if set(table.column_names) != set(schema.names):
        missing, unknown = set(schema.names) - set(table.column_names), set(table.column_names) - set(schema.names)
        raise ValueError(f"table {name}: missing columns {sorted(missing)}, unknown columns {sorted(unknown)}")
    return table.select(schema.names).cast(schema)


def from_rows(name: str, rows: Iterable[dict]) -> pa.Table:
    """Build a table of a study from one dict per row."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[name])
