"""Write data/affixes.tsv, what Korean, Arabic and Hebrew write beside a word: `python scripts/derive_affixes.py`.

- Korean: particles after nouns and endings after verb stems (H. Sohn, The Korean Language, 1999, ch. 8 and 9). A noun
  of one syllable takes a particle of the list; behind a longer noun or stem any syllables may follow.
- Arabic: conjunctions, prepositions and the article before, pronouns behind (K. Ryding, A Reference Grammar of Modern
  Standard Arabic, 2005, ch. 10 and 12); the article and a pronoun exclude one another. Particles take a conjunction
  alone.
- Hebrew: the letters of משה וכלב before (L. Glinert, The Grammar of Modern Hebrew, 1989, ch. 7).
"""

from __future__ import annotations

import itertools
from pathlib import Path

FILE = Path(__file__).parent.parent / "src/semantic_pivots/data/affixes.tsv"
ANY = "*"

_PARTICLES = """
이 가 을 를 의 에 에서 에게 에게서 한테 께 께서 으로 로 으로서 로서 으로써 로써 으로부터
로부터 와 과 하고 이랑 랑 보다 처럼 같이 만큼 대로 까지 부터 마다 밖에 조차 마저 이나 나
이라도 라도 이든 든지 은 는 도 만 뿐 이며 며 이고 고 이란 란 이라는 라는 이라고 라고 이라면
라면 에는 에도 에만 에서는 에서도 에서의 에게는 에게도 으로는 로는 으로도 로도 와는 과는 와도
과도 와의 과의 까지는 까지도 까지의 부터는 만은 만이 만을 만의 만으로 으로의 로의 에서부터 보다는
이다 다 입니다 이면 이지만 지만 이라 이라서 이었다 였다 이었습니다 였습니다 인 일 임 인데 인지
일지 이에요 예요 이야 적 적인 적으로 별 별로 별로는
"""
_MELTED = {
    "ko-n": "다 다고 다면 다는 데 데도 지 지를 가",
    "ko-l": "지 지를 까 게 수록 지라도",
    "ko-b": "니다 니까 시다",
    "ko-a": "서 도 야 라 요 서는 야만 야지 지고 지는 지면 진 질 졌 집니다",
}

_AND = ["", "و", "ف"]
_BEFORE = ["", "ب", "ك", "ل", "س"]
_PRONOUNS = "ه ها هم هن هما ك كم كن كما نا ي ني".split()


def rows() -> list[tuple[str, str, str]]:
    """Class, side and affix of every line."""
    particles = _PARTICLES.split()
    plural = ["들", *("들" + particle for particle in particles)]
    found = [("ko-noun", "suffix", affix) for affix in ("", *particles, *plural)]
    found += [("ko-word", "suffix", affix) for affix in ("", ANY)]
    found += [("ko-stem", "suffix", affix) for affix in _endings()]
    found += [(name, "suffix", affix) for name, affixes in _MELTED.items() for affix in affixes.split()]
    found += [(name, "suffix", "") for name in ("ko-n", "ko-l", "ko-a")]
    joined = ["".join(parts) for parts in itertools.product(_AND, _BEFORE)]
    found += [("ar-noun", "prefix", affix) for affix in joined]
    found += [("ar-noun", "suffix", affix) for affix in ("", *_PRONOUNS)]
    article = [first + second for first in _AND for second in ("ال", "بال", "كال", "لل")]
    found += [("ar-the", "prefix", affix) for affix in article]
    found += [("ar-particle", "prefix", affix) for affix in _AND]
    found += [(name, "suffix", "") for name in ("ar-the", "ar-particle")]
    found += [("he-noun", "prefix", affix) for affix in _hebrew()]
    found += [("he-noun", "suffix", "")]
    return found


def _endings() -> list[str]:
    """Endings behind a verb stem of one syllable."""
    text = """
    다 고 고자 고서 고도 고는 지 지만 지는 지도 지를 지요 죠 게 게끔 거나 거든 는 는데 는지 는가
    느냐 니 네 네요 던 던데 던지 더라 더라도 더니 도록 자 자마자 자고 며 면 면서 면은 므로 려
    려고 려면 려는 러 나 니까 을 은 습니다 습니까 으면 으며 으면서 으므로 으려 으려고 으려면 으러
    으니 으니까 으나 으십시오 으세요 은데 은지 을지 을까 세요 십시오 시고 시면 시는 시 셔 신 실
    십니다 겠다 겠습니다 겠지만 구나 군 군요 소 오 는다 는다고 는다면 다고 다면 다는 다가 든지 어
    어서 어도 어야 어라 어요 아 아서 아도 아야 아라 아요 었다 었습니다 었던 었고 었으며 았다
    았습니다 았던 았고 았으며
    """
    return sorted(set(text.split()))


def _hebrew() -> list[str]:
    """Sequences of joined letters: and; that, when; from, in, as, to; the."""
    sequences = itertools.product(("", "ו"), ("", "ש", "כש", "מש", "לכש"), ("", "ב", "כ", "ל", "מ"), ("", "ה"))
    return sorted({"".join(parts) for parts in sequences})


def main() -> None:
    """Write the file."""
    lines = sorted(set(rows()))
    FILE.write_text("class\tside\taffix\n" + "".join("\t".join(row) + "\n" for row in lines), "utf-8")


if __name__ == "__main__":
    main()
