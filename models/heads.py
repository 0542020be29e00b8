"""The heads of the default model: what each one finds, and which heads may hold beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """One output of the model."""

    risk: str
    attribute: str
    description: str


HEADS: dict[str, HeadSpec] = {
    "violence": HeadSpec("A.1.f", "", "Threats of violence and incitement to it"),
    "terror": HeadSpec("A.1.d", "", "Praise of terrorism, calls to it, help with it"),
    "porn": HeadSpec("A.1.f", "", "Pornography and sexual exploitation"),
    "drugs": HeadSpec("A.1.h", "", "Selling, making or promoting drugs"),
    "gambling": HeadSpec("A.1.h", "", "Promotion of gambling"),
    "fraud": HeadSpec("A.1.h", "", "Fraud: attempts at it, and help with it"),
    "weapons": HeadSpec("A.1.h", "", "Selling or making illegal weapons and explosives"),
    "selfharm": HeadSpec("A.4.a", "", "Suicide and self-harm: intent, encouragement, method"),
    "incitement": HeadSpec("A.1.c", "", "Calls to riot and to unlawful gatherings"),
    "abuse": HeadSpec("A.4.c", "", "Insults and abuse of persons and groups"),
    "spam": HeadSpec("A.3.e", "", "Illegal trade and spam advertising"),
    "ethnic": HeadSpec("A.2.a", "ethnicity", "Discrimination by ethnicity"),
    "belief": HeadSpec("A.2.b", "belief", "Discrimination by belief"),
    "nationality": HeadSpec("A.2.c", "nationality", "Discrimination by nationality"),
    "region": HeadSpec("A.2.d", "region", "Discrimination by region"),
    "gender": HeadSpec("A.2.e", "gender", "Discrimination by gender"),
    "age": HeadSpec("A.2.f", "age", "Discrimination by age"),
    "occupation": HeadSpec("A.2.g", "occupation", "Discrimination by occupation"),
    "health": HeadSpec("A.2.h", "health", "Discrimination by health or disability"),
    "other": HeadSpec("A.2.i", "other", "Discrimination on other grounds"),
}

ATTRIBUTES = tuple(name for name, head in HEADS.items() if head.attribute)
"""The heads that find discrimination."""

ALL_CLEAN = dict.fromkeys(HEADS, 0)

NOT_IN_COMMENTS = ("drugs", "gambling", "fraud", "weapons", "spam", "selfharm")
"""What a comment in a quarrel on social media is not, however rude it is."""

_TRADE = frozenset({"spam", "drugs", "gambling", "fraud", "weapons", "porn"})
_FORCE = frozenset({"violence", "terror", "weapons", "incitement", "abuse"})
_HATE = frozenset({"abuse", "violence", "incitement", "other"})
_ORIGIN = frozenset({"ethnic", "belief", "nationality", "region", "terror"})

OVERLAPS: dict[str, frozenset[str]] = {
    "violence": _FORCE | frozenset(ATTRIBUTES),
    "terror": _FORCE | _ORIGIN,
    "porn": _TRADE | {"gender", "violence", "abuse"},
    "drugs": _TRADE,
    "gambling": _TRADE,
    "fraud": _TRADE,
    "weapons": _TRADE | _FORCE,
    "selfharm": frozenset({"violence", "abuse", "health"}),
    "incitement": _FORCE | _ORIGIN,
    "abuse": _HATE | frozenset(ATTRIBUTES),
    "spam": _TRADE,
    "ethnic": _HATE | _ORIGIN,
    "belief": _HATE | _ORIGIN,
    "nationality": _HATE | _ORIGIN,
    "region": _HATE | _ORIGIN,
    "gender": _HATE,
    "age": _HATE,
    "occupation": _HATE,
    "health": _HATE,
    "other": _HATE | frozenset(ATTRIBUTES),
}
"""Heads that may hold as well when one does: they are left open where only the one is labelled."""
