"""Writes the list of everyday words that `sluice lexicon check` warns about: frequent Chinese and English words.

    python lexicons/tables/everyday.py dict.txt frequency_dictionary_en_82_765.txt

The first is jieba's dictionary (`jieba/dict.txt` in its distribution), the second is in the distribution of symspellpy;
neither is needed to run Sluice. The list is in the repository, so only a change of its sources or of the rules below
needs this.

A word that means harm by itself is left out however frequent it is: operators list it on purpose.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from sluice import shipped
from sluice.lexicon.bundle import read_lexicon
from sluice.text.fold import fold_text

OUT = Path(__file__).resolve().parents[2] / "pipeline" / "sluice" / "lexicon" / "everyday.txt"
CHINESE = 12_000
ENGLISH = 4_000

HEADER = """\
# Everyday words, by frequency: Chinese of 2 to 4 characters from jieba 0.42.1 (MIT), English from symspellpy 6.10.1
# (MIT; its counts are made from Google Books Ngrams, CC BY 3.0, and SCOWL). Written by lexicons/tables/everyday.py.
"""

HARMFUL = (
    *"奸妓嫖娼赌婊淫裸尸屎枪杀骗诈贿",
    *("毒品", "毒药", "毒手", "剧毒", "吸毒", "贩毒", "冰毒", "大麻", "鸦片", "贩卖", "走私", "洗钱", "抢劫"),
    *("炸弹", "炸药", "原子弹", "手榴弹", "恐怖", "自尽", "要死", "强暴", "乱砍", "残废", "暴行"),
    *("色情", "做爱", "性交", "性生活", "高潮", "处女", "乳房", "阴道", "屁股", "他妈", "妈的", "畜生", "傻", "蠢"),
    *("混蛋", "王八", "鬼子", "婆娘", "瞎子", "疯子", "废物", "洋鬼", "奴才", "走狗"),
)
"""A Chinese word with one of these in it is left out."""

HARMFUL_WORDS = frozenset(
    {
        *("casino", "casinos", "cock", "cocks", "dick", "erotic", "escort", "escorts", "fuck", "fucking", "gambling"),
        *("heroin", "incest", "kill", "killed", "murder", "naked", "nude", "poker", "porn", "porno", "pussy", "rape"),
        *("sexy", "shit", "suck", "suicide", "terror", "terrorism", "terrorist", "tits", "xxx"),
    }
)
"""English words that are left out."""

SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文韦岳洪"
)


def chinese(dictionary: Path) -> list[str]:
    """Words of 2 to 4 characters, the most frequent first, without names of persons.

    Of what the dictionary takes for a name (`nr`) much is a word as well; what begins with a common surname, or has
    more than two characters, is a name.
    """
    rows = []
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word, count, kind = line.split()
        if not (2 <= len(word) <= 4 and all("\u4e00" <= c <= "\u9fff" for c in word)):
            continue
        if kind.startswith("nr") and (len(word) > 2 or word[0] in SURNAMES):
            continue
        if not any(part in word for part in HARMFUL):
            rows.append((-int(count), word))
    return [word for _, word in sorted(rows)]


def english(dictionary: Path) -> list[str]:
    """Words of two letters and more, the most frequent first."""
    rows = (line.split() for line in dictionary.read_text(encoding="utf-8-sig").splitlines())
    ordered = sorted((-int(count), word) for word, count in rows if len(word) > 1)
    return [word for _, word in ordered if word not in HARMFUL_WORDS]


def everyday(words: Iterable[str], size: int) -> list[str]:
    """The first of them that are no terms of the starter lexicon."""
    terms = {term.folded for term in read_lexicon(shipped.lexicon_directory()).terms}
    return [word for word in map(fold_text, words) if word not in terms][:size]


def main() -> None:
    words = everyday(chinese(Path(sys.argv[1])), CHINESE) + everyday(english(Path(sys.argv[2])), ENGLISH)
    OUT.write_text(HEADER + "".join(f"{word}\n" for word in sorted(set(words))), encoding="utf-8")
    print(f"{OUT.name}: {len(set(words))} words")


if __name__ == "__main__":
    main()
