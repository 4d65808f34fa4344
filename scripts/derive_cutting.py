"""Write data/cutting/, by which texts without spaces are cut into words: `python scripts/derive_cutting.py`.

Run in an environment with the packages of `_PACKAGES` (`pip install jieba==0.42.1 wordfreq==3.1.1 pythainlp==5.4.0
opencc-python-reimplemented==0.1.7`): their word lists are read, none of their segmenters is used.

- zh: jieba's dictionary with its counts (MIT), and each word in traditional script by OpenCC (Apache-2.0); and what ja
  writes in Chinese characters alone, so that 月 is not in 月曜日 where it is asked as a Chinese word either.
- ja: wordfreq's large list (CC BY-SA 4.0).
- th: words of the Thai National Corpus that occur three times and PyThaiNLP's word list (both CC0). Thai's list holds
  many phrases: a word that is at most e^3 times as frequent as chance would make its parts is left out.
"""

from __future__ import annotations

import collections
import gzip
import math
import unicodedata
from importlib import metadata, resources
from pathlib import Path

from semantic_pivots.wordforms.cutting import is_clause
from semantic_pivots.words import fold

FOLDER = Path(__file__).parent.parent / "src/semantic_pivots/data/cutting"
_LEAST, _UNCOUNTED, _PHRASE = 3, 16_500, 3_000


def _lines(package: str, path: str) -> list[str]:
    return resources.files(package).joinpath(path).read_text("utf-8").splitlines()


def costs_of(counts: dict[str, float]) -> dict[str, int]:
    """1,000 times the negative log share of each folded word that consists of letters of scripts without spaces."""
    total, costs = sum(counts.values()), {}
    for word, count in counts.items():
        folded, cost = fold(word), round(-1000 * math.log(count / total))
        if folded and all(map(is_clause, folded)):
            costs[folded] = min(cost, costs.get(folded, cost))
    return costs


def chinese() -> dict[str, int]:
    """Words of both scripts; a traditional one has the count of its simplified spelling."""
    from opencc import OpenCC

    converter = OpenCC("s2t")
    counts = {word: float(count) for word, count, *_ in (line.split(" ") for line in _lines("jieba", "dict.txt"))}
    costs = costs_of(counts)
    return _shared(japanese()) | {converter.convert(word): cost for word, cost in costs.items()} | costs


def _shared(costs: dict[str, int]) -> dict[str, int]:
    """Words of several Chinese characters and nothing else."""
    return {word: cost for word, cost in costs.items() if len(word) > 1 and all(map(_is_han, word))}


def _is_han(char: str) -> bool:
    return "CJK UNIFIED" in unicodedata.name(char, "")


def japanese() -> dict[str, int]:
    """The words of wordfreq's list."""
    from wordfreq import get_frequency_dict

    return costs_of(get_frequency_dict("ja", "large"))


def thai() -> dict[str, int]:
    """The counted words, then those of the list; without phrases."""
    counts: collections.Counter[str] = collections.Counter()
    for line in _lines("pythainlp.corpus", "tnc_freq.txt"):
        word, _, count = line.partition("\t")
        if count.isdecimal() and int(count) >= _LEAST:
            counts[word] += int(count)
    costs = costs_of(dict(counts))
    for word in map(fold, _lines("pythainlp.corpus", "words_th.txt")):
        if len(word) > 1 and all(map(is_clause, word)):
            costs.setdefault(word, _UNCOUNTED)
    return {word: cost for word, cost in costs.items() if len(word) < 3 or _cheapest(word, costs) >= cost + _PHRASE}


def _cheapest(word: str, costs: dict[str, int]) -> float:
    """The cost of the word's most probable division into shorter ones."""
    best = [0.0] + [math.inf] * len(word)
    for begin in range(len(word)):
        for end in range(begin + 1, len(word) + (begin > 0)):
            best[end] = min(best[end], best[begin] + costs.get(word[begin:end], math.inf))
    return best[-1]


def main() -> None:
    """Write the dictionaries, their sources, and the table of simplified characters."""
    sources = []
    made = (("zh", chinese, "jieba wordfreq"), ("ja", japanese, "wordfreq"), ("th", thai, "pythainlp"))
    for code, build, packages in made:
        costs = build()
        lines = "".join(f"{word}\t{cost}\n" for word, cost in sorted(costs.items()))
        (FOLDER / f"{code}.tsv.gz").write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
        edges = len({word[:length] for word in costs for length in range(2, len(word) + 1)})
        names = "+".join(f"{package}-{metadata.version(package)}" for package in packages.split())
        sources.append(f"{code}\t{names}\t{len(costs)}\t{edges}\n")
    (FOLDER / "sources.tsv").write_text("".join(sources), "utf-8")
    pairs = (line.split("\t") for line in _lines("opencc", "dictionary/TSCharacters.txt"))
    simplified = [f"{char}\t{simple.split(' ')[0]}\n" for char, simple in pairs if simple.split(" ")[0] != char]
    (FOLDER / "simplified.tsv").write_text("".join(sorted(simplified)), "utf-8")


if __name__ == "__main__":
    main()
