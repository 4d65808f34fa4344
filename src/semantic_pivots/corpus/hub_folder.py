"""Card and Croissant description beside the Parquet files of a data set for the hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from semantic_pivots.files import Record, file_hash, write_text

_CARD = """---
configs:
- config_name: default
  data_files: data/*.parquet
---
# {name}

{documents:,} documents in {shards:,} Parquet files, written by semantic-pivots ({what}).

| column | content |
|---|---|
| id, text | document |
| language | BCP 47 code; `mul`: several, each in `parts` |
| source | where it comes from |
| language_confidence | the model's probability of an identified language |

Licences are those of the sources: name them here before you publish. Signature: `{signature}`.
"""
_TYPES = {"string": "sc:Text", "large_string": "sc:Text", "float": "sc:Float", "double": "sc:Float"}


def describe(folder: Path, name: str, title: str, files: Sequence[str], signature: str) -> None:
    """Write README.md and croissant.json (Croissant 1.0) of a folder of Parquet files."""
    documents = sum(pq.read_metadata(folder / file).num_rows for file in files)
    values = {"name": name, "documents": documents, "shards": len(files), "what": title, "signature": signature}
    write_text(folder / "README.md", _CARD.format(**values))
    write_text(folder / "croissant.json", json.dumps(_croissant(folder, name, files), indent=1) + "\n")


def _croissant(folder: Path, name: str, files: Sequence[str]) -> Record:
    schema = pq.read_schema(folder / files[0])
    content = [
        {
            "@type": "cr:FileObject",
            "@id": file,
            "name": file,
            "contentUrl": file,
            "encodingFormat": "application/x-parquet",
            "sha256": file_hash(folder / file),
        }
        for file in files
    ]
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"documents/{field.name}",
            "name": field.name,
            "dataType": _TYPES[str(field.type)],
            "source": {"fileSet": {"@id": "parquet"}, "extract": {"column": field.name}},
        }
        for field in schema
        if str(field.type) in _TYPES
    ]
    every = {"@type": "cr:FileSet", "@id": "parquet", "encodingFormat": "application/x-parquet",
             "includes": "data/*.parquet"}  # fmt: skip
    return {
        "@context": {"@vocab": "https://schema.org/", "sc": "https://schema.org/",
                     "cr": "http://mlcommons.org/croissant/", "conformsTo": "http://purl.org/dc/terms/conformsTo"},
        "@type": "sc:Dataset",
        "name": name,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "distribution": [*content, every],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "documents", "name": "documents", "field": fields}],
    }  # fmt: skip
