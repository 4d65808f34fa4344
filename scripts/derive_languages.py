"""Derive data/languages.tsv from CLDR: `python scripts/derive_languages.py CLDR_CORE CLDR_LOCALENAMES`.

Both are unpacked npm packages, cldr-core and cldr-localenames-full (`npm pack`, `tar xzf`). A language is one that CLDR
has an English name for and that is no group, no mixture and no sign of absence. Its scripts are CLDR's, the likely one
first; it reads from right to left, and is written without spaces, as its likely script is. Aliases are CLDR's:
deprecated, three-letter and individual codes (iw, ekk, cmn), further English names, and names of its regions.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

DATA = Path(__file__).parents[1] / "src" / "semantic_pivots" / "data"
COLUMNS = ("code", "name", "scripts", "direction", "spaced", "aliases")
_NONE = {"und", "mul", "mis", "zxx", "root"}
_TIBETAN = "Tibt"  # its tsheg divides syllables, not words; CLDR counts the script as spaced
# What corpora write and CLDR does not say: other English names (also ISO 639-3's), old Wikipedia codes.
_FURTHER = {
    "ar": "arabic-standard standard-arabic",
    "az": "north-azerbaijani",
    "bn": "bengali",
    "ca": "valencian",
    "el": "modern-greek",
    "en": "simple",
    "es": "castilian",
    "fa": "farsi western-persian iranian-persian",
    "fil": "tl tgl tagalog",
    "he": "modern-hebrew",
    "ht": "haitian",
    "km": "central-khmer",
    "ku": "northern-kurdish",
    "lv": "standard-latvian",
    "lzh": "zh-classical",
    "mg": "plateau-malagasy",
    "mn": "halh-mongolian",
    "ms": "standard-malay",
    "my": "myanmar",
    "nan": "zh-min-nan",
    "nb": "bokmål",
    "ny": "chichewa",
    "or": "oriya",
    "pa": "panjabi eastern-panjabi",
    "ps": "southern-pashto",
    "qu": "quy ayacucho-quechua",
    "ro": "moldavian moldovan",
    "rup": "roa-rup",
    "sgs": "bat-smg",
    "si": "sinhalese",
    "sl": "slovene",
    "sq": "tosk-albanian",
    "sr": "serbo-croatian",
    "uz": "northern-uzbek",
    "vro": "fiu-vro",
    "yue": "zh-yue yue-chinese",
    "zh": "mandarin chinese-simplified chinese-traditional",
}


def _read(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


def _scripts(core: Path) -> dict[str, list[str]]:
    """Scripts of each language, the likely one first."""
    likely = _read(core / "supplemental/likelySubtags.json")["supplemental"]["likelySubtags"]
    first = {code: full.split("-")[1] for code, full in likely.items() if "-" not in code}
    used = _read(core / "supplemental/languageData.json")["supplemental"]["languageData"]
    every = {code: entry.get("_scripts", []) for code, entry in used.items()}
    return {
        code: list(dict.fromkeys([*([first[code]] if code in first else []), *every.get(code, [])]))
        for code in {*first, *every}
    }


def _aliases(core: Path, names: dict[str, str], known: dict[str, str]) -> dict[str, set[str]]:
    """Whatever else a language is called, in lower case with hyphens for spaces."""
    found: dict[str, set[str]] = defaultdict(set)
    replaced = _read(core / "supplemental/aliases.json")["supplemental"]["metadata"]["alias"]["languageAlias"]
    for given, entry in replaced.items():
        code = entry["_replacement"].split("-")[0]
        if code in known and given not in known:
            found[code].add(given.lower())
    for key, name in names.items():
        code = key.split("-")[0]
        if code in known and key != code and "-menu-" not in key:
            found[code].add(name.lower().replace(", ", "-").replace(" ", "-"))
    for code, more in _FURTHER.items():
        found[code].update(more.split())
    return found


def rows(core: Path, names_folder: Path) -> list[dict[str, str]]:
    """One row for each language, sorted by code."""
    names = _read(names_folder / "main/en/languages.json")["main"]["en"]["localeDisplayNames"]["languages"]
    # A code that CLDR replaces is an alias of its replacement.
    replaced = _read(core / "supplemental/aliases.json")["supplemental"]["metadata"]["alias"]["languageAlias"]
    known = {c: n for c, n in names.items() if "-" not in c and c not in _NONE and c not in replaced}
    known = {c: n for c, n in known.items() if "languages" not in n.lower()}
    metadata = _read(core / "scriptMetadata.json")["scriptMetadata"]
    scripts, aliases = _scripts(core), _aliases(core, names, known)
    taken = {name.lower().replace(" ", "-") for name in known.values()} | set(known)
    made = []
    for code, name in sorted(known.items()):
        own = scripts.get(code) or ["Latn"]
        first = metadata.get(own[0], {})
        unspaced = first.get("lbLetters") == "YES" or own[0] == _TIBETAN
        further = sorted(alias for alias in aliases[code] if alias not in taken)
        cells = (code, name, " ".join(own), "rtl" if first.get("rtl") == "YES" else "ltr")
        made.append(dict(zip(COLUMNS, (*cells, "no" if unspaced else "yes", " ".join(further)), strict=True)))
    return made


def main() -> None:
    """Write the table."""
    made = rows(Path(sys.argv[1]), Path(sys.argv[2]))
    lines = ["\t".join(COLUMNS), *("\t".join(row[column] for column in COLUMNS) for row in made)]
    (DATA / "languages.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(made)} languages, {sum(len(row['aliases'].split()) for row in made)} further labels")


if __name__ == "__main__":
    main()
