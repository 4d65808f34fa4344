"""Measure, explain and improve how language models carry meaning across languages.

Every name of `__all__` is found here and imported when it is first asked for: `import semantic_pivots as sp` costs some
milliseconds, imports neither torch nor pyarrow, and changes nothing of the process. Frames of polars, pandas or Arrow
and lists of dictionaries go in, frames of polars come out; their columns are those of `semantic_pivots.tables`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semantic_pivots.api.document_functions import (
        count_words,
        discover_pivots,
        pivot_set,
        score_documents,
        select_documents,
    )
    from semantic_pivots.api.model_functions import label_items, make_items, score_items, trace_items
    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.load import load as load_model
    from semantic_pivots.planted.worlds import World, generate
    from semantic_pivots.scoring.harness import HarnessScorer
    from semantic_pivots.scoring.scorer import Scorer, answer_logprobs
    from semantic_pivots.signature import Signature
    from semantic_pivots.statistics import Figure
    from semantic_pivots.study import load_study as read_study
    from semantic_pivots.study import run_study

    __version__: str

__all__ = [
    "Figure",
    "HarnessScorer",
    "Lens",
    "Scorer",
    "Signature",
    "World",
    "__version__",
    "answer_logprobs",
    "count_words",
    "discover_pivots",
    "generate",
    "label_items",
    "load_model",
    "make_items",
    "pivot_set",
    "read_study",
    "run_study",
    "score_documents",
    "score_items",
    "select_documents",
    "trace_items",
]

_PLACES = {
    "Figure": "statistics:Figure",
    "HarnessScorer": "scoring.harness:HarnessScorer",
    "Lens": "models.lens:Lens",
    "Scorer": "scoring.scorer:Scorer",
    "Signature": "signature:Signature",
    "World": "planted.worlds:World",
    "answer_logprobs": "scoring.scorer:answer_logprobs",
    "count_words": "api.document_functions:count_words",
    "discover_pivots": "api.document_functions:discover_pivots",
    "generate": "planted.worlds:generate",
    "label_items": "api.model_functions:label_items",
    "load_model": "models.load:load",
    "make_items": "api.model_functions:make_items",
    "pivot_set": "api.document_functions:pivot_set",
    "read_study": "study:load_study",
    "run_study": "study:run_study",
    "score_documents": "api.document_functions:score_documents",
    "score_items": "api.model_functions:score_items",
    "select_documents": "api.document_functions:select_documents",
    "trace_items": "api.model_functions:trace_items",
}
"""Module and name of what each public name stands for."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("semantic-pivots")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from semantic_pivots.caching import use_compiled_cache

    use_compiled_cache()
    module, _, attribute = _PLACES[name].partition(":")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
