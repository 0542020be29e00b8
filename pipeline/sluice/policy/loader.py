"""A policy: the profiles of one file beside the shipped ones, checked as a whole, with a version of its content."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import msgspec

from sluice.errors import InputError, PolicyError, Problem
from sluice.policy.check import check, check_moderates, note
from sluice.policy.document import Draft, read_document
from sluice.policy.nodes import Report, clip, did_you_mean
from sluice.policy.profile import Profile
from sluice.policy.resolve import build, inherit, rules_of

__all__ = ["MAX_BYTES", "Policy"]

MAX_BYTES = 1 << 20
"""Size of a policy file. A profile that sets every risk by itself takes 3 KiB."""

_SHIPPED = "shipped.yaml"


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for each stream, by the name of its profile."""

    profiles: Mapping[str, Profile]
    """Those of the file, and `default`, which is the shipped one unless the file has its own."""
    version: str
    """12 hexadecimal digits of the SHA-256 of what the profiles say, whatever the form in which it is written."""
    notes: tuple[Problem, ...] = ()
    """What is allowed in the file and may not be what its author expects."""

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read and check a policy file. Blocks on the disk.

        Raises:
            PolicyError: the file cannot be read, or does not say what it must; names every problem by line and key.
        """
        name = str(path)
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise PolicyError(name, [Problem(0, "", f"cannot be read: {reason}")]) from error
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            if len(data) > MAX_BYTES:
                raise _too_large(name) from error
            line = data.count(b"\n", 0, error.start) + 1
            message = f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8"
            raise PolicyError(name, [Problem(line, "", message)]) from error
        return cls.parse(text, name)

    @classmethod
    def parse(cls, text: str, name: str = "policy.yaml") -> Policy:
        """Check the text of a policy file; `name` is what errors call it.

        Raises:
            PolicyError: as `load`.
        """
        # Only `default` is there unasked: that every worker can name, or stop, a stream without a profile needs it.
        return _policy(text, name, _shipped_drafts(), {"default": cls.shipped().profile("default")})

    @classmethod
    def shipped(cls) -> Policy:
        """The policy that comes with Sluice: `default`, `minor` and `monitor`."""
        return _shipped()

    def profile(self, name: str) -> Profile:
        """The profile with this name.

        Raises:
            InputError: there is none; the message names those that there are.
        """
        found = self.profiles.get(name)
        if found is None:
            raise InputError(f"unknown profile {clip(name)}{did_you_mean(name, self.profiles)}")
        return found


@functools.cache
def _shipped() -> Policy:
    return _policy(_shipped_text(), _SHIPPED, {}, {})


@functools.cache
def _shipped_drafts() -> Mapping[str, Draft]:
    report = Report()
    whole = inherit(read_document(_shipped_text(), report), {}, report)
    return {
        name: replace(draft, settings={path: leaf._replace(own=False) for path, leaf in draft.settings.items()})
        for name, draft in whole.items()
    }


def _shipped_text() -> str:
    return resources.files(__package__).joinpath(_SHIPPED).read_text(encoding="utf-8")


def _policy(text: str, name: str, shipped: Mapping[str, Draft], beside: Mapping[str, Profile]) -> Policy:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _too_large(name)
    report, notes = Report(), Report()
    drafts = read_document(text, report)
    sound = not report
    profiles = dict(beside)
    for draft in inherit(drafts, shipped, report).values():
        rules = rules_of(draft)
        profile = profiles[draft.name] = build(draft, rules)
        check(draft, profile, rules, report)
        note(draft, profile, notes)
        if sound:  # a threshold may be missing only because it could not be read
            check_moderates(draft, profile, report)
    if report:
        raise PolicyError(name, report.sorted())
    return Policy(MappingProxyType(profiles), _version(profiles), tuple(notes.sorted()))


def _version(profiles: Mapping[str, Profile]) -> str:
    content = json.dumps(msgspec.to_builtins(profiles), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _too_large(name: str) -> PolicyError:
    return PolicyError(name, [Problem(0, "", f"larger than {MAX_BYTES} bytes")])
