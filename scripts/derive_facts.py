"""Derive the committed facts, antonyms and definitions: `python scripts/derive_facts.py [FOLDER]`.

Writes src/semantic_pivots/data/facts/ from four npm packages of CLDR and one Debian package of WordNet, which are
downloaded, or lie unpacked in FOLDER.
A capital's names are CLDR's names of the time zone called after it; which zone city is a capital is listed here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LANGUAGES = ("en", "fr", "zh", "ja", "de", "es", "ru")
CLDR = "48.2.0"
PACKAGES = ("cldr-core", "cldr-localenames-full", "cldr-numbers-full", "cldr-dates-full")
OUT = Path(__file__).parents[1] / "src" / "semantic_pivots" / "data" / "facts"
# Country: the zone that bears its capital's name.
CAPITALS = {
    "Europe": "AD Andorra AL Tirane AT Vienna BA Sarajevo BE Brussels BG Sofia BY Minsk CZ Prague DE Berlin "
    "DK Copenhagen EE Tallinn ES Madrid FI Helsinki FR Paris GB London GR Athens HR Zagreb HU Budapest "
    "IE Dublin IT Rome LT Vilnius LU Luxembourg LV Riga MC Monaco MD Chisinau ME Podgorica MK Skopje "
    "MT Malta NL Amsterdam NO Oslo PL Warsaw PT Lisbon RO Bucharest RS Belgrade RU Moscow SE Stockholm "
    "SI Ljubljana SK Bratislava UA Kiev",
    "Asia": "AF Kabul AM Yerevan AZ Baku BD Dhaka BH Bahrain BN Brunei BT Thimphu CY Nicosia GE Tbilisi "
    "ID Jakarta IQ Baghdad IR Tehran JO Amman JP Tokyo KG Bishkek KH Phnom_Penh KP Pyongyang KR Seoul "
    "KW Kuwait LA Vientiane LB Beirut MY Kuala_Lumpur OM Muscat PH Manila QA Qatar SA Riyadh SG Singapore "
    "SY Damascus TH Bangkok TJ Dushanbe TM Ashgabat TW Taipei UZ Tashkent",
    "Africa": "AO Luanda BI Bujumbura BF Ouagadougou BJ Porto-Novo BW Gaborone CD Kinshasa CF Bangui CG Brazzaville "
    "DJ Djibouti DZ Algiers EG Cairo ER Asmera ET Addis_Ababa GA Libreville GH Accra GM Banjul GN Conakry "
    "GQ Malabo GW Bissau KE Nairobi LR Monrovia LS Maseru LY Tripoli ML Bamako MR Nouakchott MW Blantyre "
    "MZ Maputo NA Windhoek NE Niamey RW Kigali SD Khartoum SL Freetown SN Dakar SO Mogadishu SS Juba "
    "ST Sao_Tome SZ Mbabane TD Ndjamena TG Lome TN Tunis UG Kampala ZM Lusaka ZW Harare",
    "America": "BB Barbados CL Santiago CO Bogota CR Costa_Rica CU Havana DO Santo_Domingo GT Guatemala GY Guyana "
    "HN Tegucigalpa JM Jamaica MX Mexico_City NI Managua PA Panama PE Lima PR Puerto_Rico PY Asuncion "
    "SR Paramaribo SV El_Salvador UY Montevideo VE Caracas",
}
# Zones that bear the country's or an island's name, or a city that is no longer the capital.
NOT_CAPITALS = set(re.findall(r"\w+", "AD MT BH BN QA BB CR JM PR BI MW GY KW LU MC SG DJ GT PA SV MX"))
SMALLEST_POPULATION = 1_000_000


def fetch(folder: Path) -> None:
    """Download and unpack the packages."""
    for name in PACKAGES:
        subprocess.run(["npm", "pack", "--silent", f"{name}@{CLDR}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (folder / name).mkdir()
        subprocess.run(
            ["tar", "xzf", f"{name}-{CLDR}.tgz", "-C", name, "--strip-components", "1"], cwd=folder, check=True
        )
    subprocess.run(["apt-get", "download", "-q", "wordnet-base"], cwd=folder, check=True)
    deb = next(folder.glob("wordnet-base_*.deb"))
    subprocess.run(["dpkg", "-x", deb.name, "wordnet"], cwd=folder, check=True)


def read(folder: Path, package: str, name: str, code: str, *keys: str) -> dict:
    """A table of one locale's names."""
    data = json.loads((folder / package / "main" / code / f"{name}.json").read_text("utf-8"))["main"][code]
    for key in keys:
        data = data[key]
    return data


def facts(folder: Path) -> list[tuple[str, ...]]:
    """(relation, country, subject and object per language) rows: one per fact that has a name in every language."""
    territories = _supplemental(folder, "territoryInfo")
    money = _supplemental(folder, "currencyData")
    names = {code: _names(folder, code) for code in LANGUAGES}
    found: list[tuple[str, str, str, str]] = []
    for region, line in CAPITALS.items():
        words = line.split()
        pairs = zip(words[::2], words[1::2], strict=True)
        found += [
            ("capital", country, "zone", f"{region}/{city}") for country, city in pairs if country not in NOT_CAPITALS
        ]
    for country, info in sorted(territories.items()):
        official = [
            code
            for code, share in info.get("languagePopulation", {}).items()
            if share.get("_officialStatus") in ("official", "de_facto_official")
        ]
        if len(country) == 2 and len(official) == 1:
            found.append(("language", country, "language", official[0]))
        tender = [
            c
            for entry in money["region"].get(country, [])
            for c, use in entry.items()
            if "_to" not in use and use.get("_tender") != "false"
        ]
        if len(country) == 2 and len(tender) == 1:
            found.append(("currency", country, "currency", tender[0]))
    rows = []
    for relation, country, kind, key in found:
        if int(territories[country]["_population"]) < SMALLEST_POPULATION:
            continue
        cells = []
        for code in LANGUAGES:
            subject, answer = names[code]["territory"].get(country), names[code][kind].get(key)
            # Tunis and Tunisia are one word in Chinese: nothing would be recalled.
            if not subject or not answer or subject == answer or re.search(r"[()（）0-9]", subject + answer):
                break
            cells += [subject, answer]
        else:
            rows.append((relation, country, *cells))
    return sorted(rows)


def _supplemental(folder: Path, name: str) -> dict:
    path = folder / "cldr-core" / "supplemental" / f"{name}.json"
    return json.loads(path.read_text("utf-8"))["supplemental"][name]


def _names(folder: Path, code: str) -> dict[str, dict[str, str]]:
    zones = read(folder, "cldr-dates-full", "timeZoneNames", code, "dates", "timeZoneNames", "zone")
    cities = {}
    for region, line in CAPITALS.items():
        for city in line.split()[1::2]:
            # A locale in Latin script gives a name only where it differs from the zone's own.
            name = zones[region].get(city, {}).get("exemplarCity") or ("" if code in ("zh", "ja", "ru") else city)
            if name:
                cities[f"{region}/{city}"] = name.replace("_", " ")
    currencies = read(folder, "cldr-numbers-full", "currencies", code, "numbers", "currencies")
    return {
        "territory": {
            key: value
            for key, value in read(
                folder, "cldr-localenames-full", "territories", code, "localeDisplayNames", "territories"
            ).items()
            if "-" not in key
        },
        "language": read(folder, "cldr-localenames-full", "languages", code, "localeDisplayNames", "languages"),
        "currency": {key: value["displayName"] for key, value in currencies.items() if "displayName" in value},
        "zone": cities,
    }


def frequent() -> dict[str, float]:
    """English words with their frequency."""
    from wordfreq import get_frequency_dict

    return get_frequency_dict("en", "large")


def synsets(folder: Path, part: str) -> dict[str, tuple[list[str], list[list[str]], str]]:
    """WordNet's data file: offset to (words, pointers, gloss)."""
    path = next((folder / "wordnet").rglob(f"data.{part}"))
    out = {}
    for line in path.read_text("latin-1").splitlines():
        if line.startswith(" "):
            continue
        data, _, gloss = line.partition(" | ")
        fields = data.split()
        count = int(fields[3], 16)
        words = [re.sub(r"\(.*\)", "", w) for w in fields[4 : 4 + 2 * count : 2]]
        at = 4 + 2 * count
        pointers = [fields[at + 1 + 4 * i : at + 5 + 4 * i] for i in range(int(fields[at]))]
        out[fields[0]] = (words, pointers, gloss.split("; ")[0].strip().rstrip(";"))
    return out


def antonyms(folder: Path, frequency: dict[str, float], floor: float = 1e-5) -> list[tuple[str, str]]:
    """Pairs of frequent adjectives, nouns, verbs or adverbs that WordNet calls antonyms, each word in one pair."""
    pairs: dict[frozenset[str], float] = {}
    for part in ("adj", "noun", "verb", "adv"):
        data = synsets(folder, part)
        for words, pointers, _ in data.values():
            for symbol, offset, kind, where in pointers:
                if symbol != "!" or kind not in "anvr" or offset not in data:
                    continue
                a, b = words[int(where[:2], 16) - 1], data[offset][0][int(where[2:], 16) - 1]
                a, b = a.lower(), b.lower()
                # A prefix gives the answer away: un-happy, in-correct.
                if a.isalpha() and b.isalpha() and not a.endswith(b) and not b.endswith(a) and a[:3] != b[:3]:
                    pairs[frozenset((a, b))] = min(frequency.get(a, 0), frequency.get(b, 0))
    used: set[str] = set()
    chosen = []
    for pair, rate in sorted(pairs.items(), key=lambda p: (-p[1], sorted(p[0]))):
        if rate >= floor and not used & pair and len(pair) == 2:
            used |= pair
            a, b = sorted(pair)
            chosen.append((a, b))
    return sorted(chosen)


def definitions(folder: Path, frequency: dict[str, float], count: int = 1500) -> list[tuple[str, str]]:
    """(word, definition) of the most frequent nouns: the gloss of the first sense, where it does not name the word."""
    data = synsets(folder, "noun")
    path = next((folder / "wordnet").rglob("index.noun"))
    rows = []
    for line in path.read_text("latin-1").splitlines():
        fields = line.split()
        if line.startswith(" ") or not fields[0].isalpha() or len(fields[0]) < 3:
            continue
        pointer_count = int(fields[3])
        # The number of senses that a tagged corpus attests: none, and the first sense may be a curiosity.
        attested = int(fields[5 + pointer_count])
        words, _, gloss = data[fields[6 + pointer_count]]
        if not attested or fields[0] not in words:  # written with a capital: a name
            continue
        gloss = re.sub(r"^\([^)]*\)\s*", "", gloss)
        if 20 <= len(gloss) <= 120 and fields[0] not in gloss.lower() and '"' not in gloss:
            rows.append((frequency.get(fields[0], 0.0), fields[0], gloss))
    return sorted((word, gloss) for _, word, gloss in sorted(rows, reverse=True)[:count])


def write(name: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """One TSV file."""
    lines = ["\t".join(row) for row in [header, *rows]]
    (OUT / name).write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{name}: {len(rows)} rows", file=sys.stderr)


def main() -> None:
    """Write the three files and their licences."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        if len(sys.argv) == 1:
            fetch(folder)
        columns = tuple(f"{code}_{part}" for code in LANGUAGES for part in ("subject", "object"))
        write("facts.tsv", ("relation", "country", *columns), facts(folder))
        frequency = frequent()
        write("antonyms.tsv", ("word", "antonym"), antonyms(folder, frequency))
        write("definitions.tsv", ("word", "definition"), definitions(folder, frequency))
        licence = (folder / "cldr-core" / "LICENSE").read_text("utf-8")
        (OUT / "LICENSE.Unicode-3.0.txt").write_text(licence, "utf-8")
        wordnet = next((folder / "wordnet").rglob("copyright")).read_text("utf-8")
        (OUT / "LICENSE.WordNet.txt").write_text(wordnet, "utf-8")


if __name__ == "__main__":
    main()
