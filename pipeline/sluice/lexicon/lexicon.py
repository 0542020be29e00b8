"""A compiled lexicon: the automata, and the prefixes that tell how much text must be held back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path

import ahocorasick
import msgspec

from sluice.errors import LexiconError
from sluice.lexicon.bundle import read_lexicon, version_of
from sluice.lexicon.disguise import DISGUISED_FROM_SEVERITY, SOUND_CHARS, disguises
from sluice.lexicon.files import Content
from sluice.lexicon.openings import Openings
from sluice.lexicon.quotes import in_any_quotes
from sluice.lexicon.segment import segmenter
from sluice.lexicon.settings import LexiconSettings
from sluice.lexicon.sound import HOMOPHONES, syllables
from sluice.lexicon.spacing import CJK, CLAUSE_MARKS, joining, squeeze
from sluice.lexicon.term import CHANNELS, MAX_TERM_CHARS, MatchChannel, Term
from sluice.text.fold import fold_text

__all__ = ["MAX_PATTERNS", "Lexicon", "Pattern", "as_letters", "characters"]

MAX_PATTERNS = 2_000_000
"""Forms in the automaton, disguises included. About 2 GB; a list that needs more has to leave channels out."""

BOUNDARY_LEFT = 8
BOUNDARY_RIGHT = 4
"""Characters before and behind a hit that are cut into words, to see whether the hit crosses the edge of one."""


class Pattern(msgspec.Struct, frozen=True, gc=False):
    """One form of a term, as the scan needs it."""

    term: Term
    rule: str
    length: int
    """Folded characters of this form."""
    word: bool
    boundary: bool
    """Whether the words around a hit matter."""
    allow: tuple[tuple[str, int], ...]
    """Folded harmless contexts, each with the offset at which the term stands in it."""
    scores: Mapping[MatchChannel, float]
    """What a hit is worth, by channel; no entry where the channel is off."""
    channel: MatchChannel = "exact"
    """The channel of this form; for the term itself `exact`, which the text may turn into `folded` or `noise`."""
    marks: frozenset[int] = frozenset()
    """Of a form without the term's own spaces and marks: before which of its letters they stood."""
    sounds: tuple[str, ...] = ()
    """For the form by sound: its syllables."""


class Lexicon:
    """Immutable once built, but for what scans remember in `ends`; shared by every channel of a process."""

    def __init__(self, content: Content | Iterable[Term], *, today: date | None = None) -> None:
        """Build from what files say, or from terms alone. With `today`, what has expired by then is left out.

        Raises:
            LexiconError: the forms of all terms are more than `MAX_PATTERNS`.
        """
        if not isinstance(content, Content):
            content = Content(LexiconSettings(), tuple(content))
        self.content = content
        self.terms = tuple(t for t in content.terms if today is None or t.expires is None or t.expires > today)
        self.version = version_of(content)
        """Of all that was read; which terms have expired is a matter of the day."""
        forms, by_sound = _forms(content.settings, self.terms, _harmless(content, self.terms))
        self.forms = Counter(p.channel for some in (forms, by_sound) for ps in some.values() for p in ps)
        """Forms that are looked for, by channel; `exact` are the terms themselves."""
        self.empty = not forms
        # pyahocorasick scans a node's children one by one, and Chinese gives the root thousands of them; as UTF-8
        # bytes there are at most 64, which is 5 to 10 times faster.
        self.automaton = _automaton(forms)
        self.find = _finder(self.automaton)
        """The patterns of all forms in some letters, each with the offset of its last one."""
        self.openings = Openings((form, all(p.word for p in patterns)) for form, patterns in forms.items())
        self.ends = {"": 0}
        """A scan's memory: by the last two characters, how many are held back where these alone decide it."""
        self.longest = max(map(len, forms), default=0)
        self.noisy = any("noise" in p.scores for patterns in forms.values() for p in patterns)
        """Whether any term is looked for with marks between its letters."""
        self.clause_marks = CLAUSE_MARKS - frozenset(content.settings.noise)
        """Marks over which letters are joined only where every one of them is set apart."""
        self.joining = joining(self.clause_marks)
        self.gaps_after = _gaps_after(forms)
        """Beginnings of terms behind which a single mark may stand although it follows a Latin letter."""
        self.sounding = bool(by_sound)
        """Whether any term is looked for by its sound."""
        self.sounds = _automaton(by_sound)
        """Of spellings."""
        self.find_spelled = _finder(self.sounds)
        homophones: dict[str, list[Pattern]] = {}
        for pattern in (p for patterns in by_sound.values() for p in patterns):
            homophones.setdefault(pattern.term.folded.translate(HOMOPHONES), []).append(pattern)
        self.find_homophones = _finder(_automaton(homophones, as_letters=str))
        """As `find`, for texts in which no Latin letter is part of a syllable."""
        self.sound_openings = Openings((form, False) for form in homophones)
        self.spelled_prefixes = frozenset(spelled[:length] for spelled in by_sound for length in range(1, len(spelled)))
        """Beginnings of the terms' spellings."""
        self.most_syllables = max((len(p.sounds) for ps in by_sound.values() for p in ps), default=0)
        contexts = max((len(c) for ps in forms.values() for p in ps for c, _ in p.allow), default=0)
        # Not less than the longest term that there can be: the next lexicon may have it, and reads these again.
        longest = max(self.longest, contexts, 6 * self.most_syllables, MAX_TERM_CHARS)
        reach = longest + BOUNDARY_LEFT + BOUNDARY_RIGHT
        self.keep = 2 * reach if self.noisy else reach
        """Folded characters before the newest one that a scan must remember."""
        if by_sound or any(p.boundary for patterns in forms.values() for p in patterns):
            segmenter()  # loaded now, not at the first hit

    @classmethod
    def load(cls, path: Path, *, today: date | None = None) -> Lexicon:
        """Read and compile a lexicon: its directory, or a bundle.

        Raises:
            sluice.errors.LexiconError: names every file and line that is wrong.
        """
        return cls(read_lexicon(path), today=today)


def as_letters(folded: str) -> str:
    """UTF-8 bytes as one letter each, which is what the automaton is made of.

    A lone surrogate (possible only in a Python string, never on the wire) goes through as its three bytes.
    """
    return folded if folded.isascii() else folded.encode("utf-8", "surrogatepass").decode("latin-1")


def characters(letters: str, end: int) -> int:
    """How many characters the letters before `end` are."""
    return len(letters[:end].encode("latin-1").decode("utf-8", "surrogatepass"))


def _automaton(
    forms: Mapping[str, Iterable[Pattern]], as_letters: Callable[[str], str] = as_letters
) -> ahocorasick.Automaton:
    """Of forms, the frequent characters first: a node's children are looked through in the order in which they came."""
    often = [char for char, _ in Counter("".join(forms)).most_common()]
    rank = {ord(char): chr(at) for at, char in enumerate(often)}
    automaton = ahocorasick.Automaton(ahocorasick.STORE_ANY)
    for form in sorted(forms, key=lambda form: form.translate(rank)):
        automaton.add_word(as_letters(form), tuple(forms[form]))
    if forms:
        automaton.make_automaton()
    return automaton


Finder = Callable[[str], Iterable[tuple[int, tuple[Pattern, ...]]]]


def _finder(automaton: ahocorasick.Automaton) -> Finder:
    find: Finder = automaton.iter if len(automaton) else lambda letters: ()
    return find


def _forms(
    settings: LexiconSettings, terms: Iterable[Term], harmless: Mapping[str, frozenset[str]]
) -> tuple[dict[str, list[Pattern]], dict[str, list[Pattern]]]:
    """Every form that is looked for, by its folded characters; and those by sound, by their spelling."""
    forms: dict[str, list[Pattern]] = {}
    by_sound: dict[str, list[Pattern]] = {}
    count = 0
    for term in terms:
        folded = term.folded
        scores = _scores(settings, term)
        allowed = harmless.get(folded, frozenset()).union(map(fold_text, term.allow))
        contexts = set().union(*map(in_any_quotes, allowed))
        allow = tuple((context, at) for context in sorted(contexts) for at in _occurrences(folded, context))
        base = Pattern(term, term.rule, len(folded), term.word, bool(term.boundary), allow, scores)
        found = [(folded, base)]
        letters = squeeze(folded)
        if "noise" in scores and letters != folded and len(letters) >= _SQUEEZED:
            marks = frozenset(len(squeeze(folded[:at])) for at, char in enumerate(folded) if not char.isalnum())
            change = {"length": len(letters), "channel": "noise", "marks": marks, "boundary": False}
            found.append((letters, msgspec.structs.replace(base, **change)))
        if term.severity >= DISGUISED_FROM_SEVERITY:
            for form, channel in disguises(folded):
                if channel in scores:
                    # Initials are a run of letters by themselves, or any text would have them.
                    word = term.word or channel == "initials"
                    change = {"length": len(form), "channel": channel, "word": word, "allow": (), "boundary": False}
                    found.append((form, msgspec.structs.replace(base, **change)))
            sounds = syllables(folded)
            if "pinyin" in scores and sounds is not None and SOUND_CHARS <= len(sounds) <= _MOST_SYLLABLES:
                pattern = msgspec.structs.replace(base, channel="pinyin", sounds=sounds, allow=(), boundary=False)
                by_sound.setdefault("".join(sounds), []).append(pattern)
                count += 1
        for form, pattern in found:
            forms.setdefault(form, []).append(pattern)
        count += len(found)
        if count > MAX_PATTERNS:
            raise LexiconError(
                f"the terms have more than {MAX_PATTERNS} forms; turn channels off for the longest lists"
            )
    return forms, by_sound


_SQUEEZED = 4
"""Letters that a term with marks of its own must have to be looked for without them."""

_MOST_SYLLABLES = 16


def _scores(settings: LexiconSettings, term: Term) -> dict[MatchChannel, float]:
    """By channel, what a hit of this term is worth."""
    return {
        channel: round(term.score * confidence, 4)
        for channel in CHANNELS
        if (channel == "exact" or term.channels is None or channel in term.channels)
        and (confidence := settings.confidence(term.risk, channel)) > 0
    }


def _harmless(content: Content, terms: Iterable[Term]) -> dict[str, frozenset[str]]:
    """By folded term: those texts, folded, that the whole lexicon takes for harmless and that contain it."""
    found: dict[str, set[str]] = {}
    if content.harmless:
        known = {term.folded for term in terms}
        lengths = {len(folded) for folded in known}
        for text in map(fold_text, content.harmless):
            parts = {text[at : at + length] for length in lengths for at in range(len(text) - length + 1)}
            for part in parts & known:
                found.setdefault(part, set()).add(text)
    return {folded: frozenset(contexts) for folded, contexts in found.items()}


def _gaps_after(forms: Mapping[str, Iterable[Pattern]]) -> frozenset[str]:
    return frozenset(
        form[:at]
        for form, patterns in forms.items()
        for at in range(1, len(form))
        if any(at in p.marks for p in patterns) or (ord(form[at - 1]) < CJK <= ord(form[at]))
    )


def _occurrences(term: str, context: str) -> list[int]:
    found, at = [], context.find(term)
    while at >= 0:
        found.append(at)
        at = context.find(term, at + 1)
    return found
