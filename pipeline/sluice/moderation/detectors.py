"""The detectors and the policy of one worker, and the versions that every decision pins."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection
from copy import copy
from dataclasses import replace

import msgspec

from sluice.contract.decision import Versions
from sluice.errors import InputError
from sluice.lexicon.lexicon import Lexicon
from sluice.lexicon.scan import LexiconScan
from sluice.moderation.detector import Scorer
from sluice.moderation.windows import HeadRules, WindowScan
from sluice.policy import Policy, Profile

__all__ = ["Detectors", "keyed_hasher", "without_classifier"]


def keyed_hasher(key: bytes | None = None) -> Callable[[str], str]:
    """A function from folded text to its keyed hash (BLAKE2b, 32 hexadecimal digits).

    Without a key a random one is made: hashes then compare only within this process.
    """
    secret = hashlib.blake2b(key, digest_size=32).digest() if key else secrets.token_bytes(32)

    def hasher(text: str) -> str:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=secret, digest_size=16).hexdigest()

    return hasher


def without_classifier(policy: Policy) -> Policy:
    """The policy with every profile narrowed to the lexicon. Its version says so, since it decides otherwise."""
    profiles = {
        name: msgspec.structs.replace(profile, detectors=("lexicon",)) for name, profile in policy.profiles.items()
    }
    return replace(policy, profiles=profiles, version=f"{policy.version}-lexicon")


class Detectors:
    """Makes the detectors of a new channel. Shared by all channels of a process; holds no channel's state."""

    def __init__(
        self,
        lexicon: Lexicon,
        scorer: Scorer | None,
        policy: Policy,
        *,
        hasher: Callable[[str], str] | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        """Combine them. `scorer` is None when no profile uses the classifier; `only` names the profiles to be used.

        Raises:
            InputError: a profile needs the classifier, and there is none, or its doubt is no number for each head.
        """
        self.lexicon = lexicon
        self.scorer = scorer
        self.policy = policy
        self._hasher = hasher or keyed_hasher()
        self._rules: dict[str, HeadRules] = {}
        for name, profile in policy.profiles.items():
            if "classifier" not in profile.detectors or (only is not None and name not in only):
                continue
            if scorer is None:
                raise InputError(f"profile {name!r} needs the classifier, and no model is loaded")
            self._rules[name] = HeadRules(scorer.heads, profile, scorer.skimmer)
        self.versions = Versions(lexicon=lexicon.version, model=scorer.version if scorer else "", policy=policy.version)

    def with_lexicon(self, lexicon: Lexicon) -> Detectors:
        """The same with another lexicon; this one is left as it is."""
        other = copy(self)
        other.lexicon = lexicon
        other.versions = msgspec.structs.replace(self.versions, lexicon=lexicon.version)
        return other

    def lexicon_scan(self, offset: int = 0) -> LexiconScan:
        """A lexicon detector for a channel that is read from `offset` on."""
        return LexiconScan(self.lexicon, self._hasher, offset)

    def current(self, scan: LexiconScan) -> LexiconScan:
        """The scan, or one that goes on from it where it was made for another lexicon than this."""
        return scan if scan.lexicon is self.lexicon else scan.switched(self.lexicon)

    def window_scan(self, profile: Profile, offset: int = 0, context: str = "") -> WindowScan | None:
        """A classifier detector whose first unit is judged with `context`, or None when the profile does not use it."""
        rules = self._rules.get(profile.name)
        return None if rules is None else WindowScan(rules, profile, self._hasher, offset, context)
