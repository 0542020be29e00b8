"""Every mistake in a policy file is named by file, line and key, and all of them at once."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from sluice.errors import InputError, PolicyError, Problem
from sluice.policy import Policy
from sluice.policy.document import MAX_PROFILES
from sluice.policy.loader import MAX_BYTES
from sluice.policy.nodes import MAX_PROBLEMS

HEAD = "version: 1\nprofiles:\n  kids:\n    extends: default\n"


def errors(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text, "policy.yaml")
    assert str(caught.value).split("\n") == [problem.describe("policy.yaml") for problem in caught.value.problems]
    return str(caught.value).split("\n")


def in_profile(*lines: str) -> str:
    """A file whose profile `kids` extends `default`, with these lines from line 5 on."""
    return HEAD + "".join(f"    {line}\n" for line in lines)


THRESHOLD = "must be a number from 0 to 1 or null"
MILLIS = "must be a whole number from 1 to 600000"
ORDERS = "stop_generation, stop_transmission, retract, support"
RISKS = "profiles.kids.risks"

VALUES = [
    # types and ranges
    ("mode: held", "profiles.kids.mode: must be one of hold, live, monitor, not 'held'"),
    ("mode: off", "profiles.kids.mode: must be one of hold, live, monitor, not false"),
    ("mode:", "profiles.kids.mode: must be one of hold, live, monitor, not null"),
    ("release_unit: word", "profiles.kids.release_unit: must be one of delta, sentence, not 'word'"),
    ("on_failure: [open]", "profiles.kids.on_failure: must be one of closed, open, not a list"),
    ("on_context_lost: 1", "profiles.kids.on_context_lost: must be one of closed, open, not 1"),
    ("unit_chars: 5", "profiles.kids.unit_chars: must be a whole number from 16 to 2000, not 5"),
    ("unit_chars: '120'", "profiles.kids.unit_chars: must be a whole number from 16 to 2000, not '120'"),
    ("strong_every: 0", "profiles.kids.strong_every: must be a whole number from 1 to 1000000 or null, not 0"),
    ("unit_ms: 1.5", f"profiles.kids.unit_ms: {MILLIS}, not 1.5"),
    ("unit_ms: 1s", f"profiles.kids.unit_ms: {MILLIS}, not '1s'"),
    ("unit_ms: yes", f"profiles.kids.unit_ms: {MILLIS}, not true"),
    ("deadline_ms: 0", f"profiles.kids.deadline_ms: {MILLIS}, not 0"),
    ("deadline_ms: 600001", f"profiles.kids.deadline_ms: {MILLIS}, not 600001"),
    ("deadline_ms: 0x1000", f"profiles.kids.deadline_ms: {MILLIS}, not '0x1000'"),
    ("deadline_ms: 05000", f"profiles.kids.deadline_ms: {MILLIS}, not '05000'"),
    ("deadline_ms: 1:30", f"profiles.kids.deadline_ms: {MILLIS}, not '1:30'"),
    ("deadline_ms: 2026-01-01", f"profiles.kids.deadline_ms: {MILLIS}, not '2026-01-01'"),
    (f"deadline_ms: {'9' * 5000}", f"profiles.kids.deadline_ms: {MILLIS}, not '{'9' * 59}…'"),
    ("gap: 5", "profiles.kids.gap: must be a mapping of keys to values, not 5"),
    ("gap: {wait_ms: -1}", f"profiles.kids.gap.wait_ms: {MILLIS}, not -1"),
    ("gap: {then: pass}", "profiles.kids.gap.then: must be stop, not 'pass'"),
    ("detectors: lexicon", "profiles.kids.detectors: must be a list, not 'lexicon'"),
    ("detectors: [lexicon, bert]", "profiles.kids.detectors: must hold only lexicon, classifier, not 'bert'"),
    ("detectors: [lexicon, [x]]", "profiles.kids.detectors: must hold only lexicon, classifier, not a list"),
    ("detectors: [lexicon, lexicon]", "profiles.kids.detectors: holds lexicon twice"),
    ("risks: none", "profiles.kids.risks: must be a mapping of keys to values, not 'none'"),
    ("risks: {A.1: 0.5}", f"{RISKS}.A.1: must be a mapping of keys to values, not 0.5"),
    ("risks: {A.1: {stop: 1.01}}", f"{RISKS}.A.1.stop: {THRESHOLD}, not 1.01"),
    ("risks: {A.1: {flag: -0.1}}", f"{RISKS}.A.1.flag: {THRESHOLD}, not -0.1"),
    ("risks: {A.1: {flag: .nan}}", f"{RISKS}.A.1.flag: {THRESHOLD}, not nan"),
    ("risks: {A.1: {stop: .inf}}", f"{RISKS}.A.1.stop: {THRESHOLD}, not inf"),
    ("risks: {A.1: {stop: high}}", f"{RISKS}.A.1.stop: {THRESHOLD}, not 'high'"),
    ("risks: {A.1: {stop: on}}", f"{RISKS}.A.1.stop: {THRESHOLD}, not true"),
    ("risks: {A.1: {then: support}}", f"{RISKS}.A.1.then: must be a list, not 'support'"),
    ("risks: {A.1: {then: [stop]}}", f"{RISKS}.A.1.then: must hold only {ORDERS}, not 'stop'"),
    ("extends: [default]", "profiles.kids.extends: must be text, not a list"),
    # names
    ("unit_sec: 1", "profiles.kids.unit_sec: unknown key, did you mean 'unit_ms'?"),
    ("gap: {wait: 1}", "profiles.kids.gap.wait: unknown key, did you mean 'wait_ms'?"),
    ("risks: {A.1: {block: 1}}", f"{RISKS}.A.1.block: unknown key; known are flag, stop, then, on_failure"),
    ("name: kids", "profiles.kids.name: unknown key; known are extends, gap, risks, mode, release_unit, unit_chars, "
     "unit_ms, deadline_ms, on_failure, on_context_lost, detectors, strong_every"),
    ("risks: {A.2.z: {}}", f"{RISKS}.A.2.z: unknown risk id 'A.2.z'; A.2 has A.2.a to A.2.i"),
    ("risks: {a.2.e: {}}", f"{RISKS}.a.2.e: unknown risk id 'a.2.e', did you mean A.2.e?"),
    ("risks: {A: {}}", f"{RISKS}.A: unknown risk id 'A'; the ids are A.1.a to A.5.b"),
    ("risks: {1: {}}", f"{RISKS}: a key must be text, not 1; put it in quotes: '1'"),
    ("risks: {[a]: {}}", f"{RISKS}: a key must be text, not a list"),
    ("risks: {~: {}}", f"{RISKS}: a key must be text, not null; put it in quotes: '~'"),
    # what makes no sense
    ("detectors: [classifier]", "profiles.kids.detectors: must hold lexicon: it is the floor that is always on"),
    ("detectors: []", "profiles.kids.detectors: must hold lexicon: it is the floor that is always on"),
    ("risks: {A.1: {then: []}}", f"{RISKS}.A.1.then: orders nothing; to stop nothing, set 'stop: null'"),
    ("risks: {A.1: {then: [retract]}}", f"{RISKS}.A.1.then: must hold stop_transmission: with retract alone a reader "
     "would lose what was shown and be sent more of it"),
    ("risks: {A.4.a: {then: [stop_generation, support]}}", f"{RISKS}.A.4.a.then: must hold stop_transmission: with "
     "stop_generation and support alone the crisis answer would stand beside an answer that goes on"),
    ("risks: {A.1: {then: [stop_generation]}}", f"{RISKS}.A.1.then: must hold stop_transmission: with stop_generation "
     "alone the reader would still be sent the text"),
    ("risks: {A.1: {flag: 0.95}}", f"{RISKS}.A.1.flag: flag 0.95 is above stop 0.9: nothing would be flagged before it "
     "is stopped"),
    ("risks: {A.1.a: {stop: 0.5}}", f"{RISKS}.A.1.a.stop: flag 0.7 is above stop 0.5: nothing would be flagged before "
     "it is stopped"),
    ("unit_ms: 5001", "profiles.kids.unit_ms: unit_ms 5001 is above deadline_ms 5000: slow sentences would miss it"),
    ("deadline_ms: 1499", "profiles.kids.deadline_ms: unit_ms 1500 is above deadline_ms 1499: slow sentences would "
     "miss it"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "says"), VALUES, ids=[line[:40] for line, _ in VALUES])
def test_a_wrong_value_is_named_by_line_and_key(line: str, says: str) -> None:
    found = errors(in_profile("# a comment, so that it is line 6", line))
    if line.startswith("extends"):
        assert (
            found
            == [f"policy.yaml:6: {says}", "policy.yaml:6: profiles.kids.extends: given twice, first on line 4"][::-1]
        )
    else:
        assert found == [f"policy.yaml:6: {says}"]


FILES = [
    ("", "policy.yaml:1: the file is empty; it begins with 'version: 1'"),
    ("\n# nothing\n", "policy.yaml:1: the file is empty; it begins with 'version: 1'"),
    ("just text", "policy.yaml:1: must be a mapping of keys to values, not 'just text'"),
    ("\n- 1\n", "policy.yaml:2: must be a mapping of keys to values, not a list"),
    ("version: 1\n", "policy.yaml:1: profiles: missing"),
    (
        "profiles:\n  a: {extends: default}\n",
        "policy.yaml:1: version: missing",
    ),
    ("version: 2\nprofiles: {a: {extends: default}}", "policy.yaml:1: version: must be 1, not 2"),
    ("version: '1'\nprofiles: {a: {extends: default}}", "policy.yaml:1: version: must be 1, not '1'"),
    ("version: true\nprofiles: {a: {extends: default}}", "policy.yaml:1: version: must be 1, not true"),
    ("version: 1.0\nprofiles: {a: {extends: default}}", "policy.yaml:1: version: must be 1, not 1.0"),
    ("version: 1\nprofiles: {}", "policy.yaml:2: profiles: holds no profile"),
    ("version: 1\nprofiles:", "policy.yaml:2: profiles: must be a mapping of keys to values, not null"),
    (
        "version: 1\nprofile: {}\nprofiles: {a: {extends: default}}",
        "policy.yaml:2: profile: unknown key, did you mean 'profiles'?",
    ),
    ("version: 1\nprofiles:\n  a:\n", "policy.yaml:3: profiles.a: must be a mapping of keys to values, not null"),
    (
        "version: 1\nprofiles:\n  no: {extends: default}\n",
        "policy.yaml:3: profiles: a key must be text, not false; put it in quotes: 'no'",
    ),
    (
        "version: 1\nprofiles:\n  '': {extends: default}\n",
        "policy.yaml:3: profiles.'': a name is 1 to 200 printable characters, no space around it",
    ),
    (
        'version: 1\nprofiles:\n  "a\\nb": {extends: default}\n',
        "policy.yaml:3: profiles.'a\\nb': a name is 1 to 200 printable characters, no space around it",
    ),
    (
        "version: 1\nprofiles:\n  a: {mode: hold}\n",
        "policy.yaml:3: profiles.a: no risk has a threshold, so nothing is moderated; did you mean 'extends: default'?",
    ),
    # YAML itself
    (
        "version: 1\nprofiles:\n\ta: {}\n",
        "policy.yaml:3: not valid YAML: while scanning for the next token, found character '\\t' that cannot start any "
        "token; indent with spaces, not tabs",
    ),
    (
        HEAD + "    risks:\n      *: {stop: 0.5}\n",
        "policy.yaml:6: not valid YAML: while scanning an alias, expected alphabetic or numeric character, but found "
        "':'; a star must be quoted: '*'",
    ),
    (
        "version: 1\nprofiles: [\n",
        "policy.yaml:3: not valid YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
    ),
    (
        "version: 1\n---\nversion: 1\n",
        "policy.yaml:2: not valid YAML: expected a single document in the stream, but found another document",
    ),
    (
        HEAD + "    risks: &all {A.1: {stop: 0.8}}\n",
        "policy.yaml:5: anchors and aliases are not read; use 'extends' to share values",
    ),
    (
        HEAD + "    risks: *all\n",
        "policy.yaml:5: anchors and aliases are not read; use 'extends' to share values",
    ),
    (
        HEAD + "    mode: !!python/name:os.system live\n",
        "policy.yaml:5: the tag 'tag:yaml.org,2002:python/name:os.system' is not read",
    ),
    (HEAD + "    mode: !mine live\n", "policy.yaml:5: the tag '!mine' is not read"),
    ("[" * 100_000, "policy.yaml:1: nested deeper than 32 levels"),
    ("a\0b", "policy.yaml:1: the character '\\x00' is not allowed in YAML"),
    ("a: 1\nb: \ud800", "policy.yaml:2: the character '\\ud800' is not allowed in YAML"),
    ('a: 1\nb: "\\UFFFFFFFF"', "policy.yaml:2: not valid YAML: an escape or number is out of range"),
]


@pytest.mark.parametrize(("text", "says"), FILES, ids=[repr(text[:40]) for text, _ in FILES])
def test_a_wrong_file_is_named_by_line(text: str, says: str) -> None:
    assert errors(text) == [says]


def test_a_merge_key_is_no_way_around_extends() -> None:
    assert errors(in_profile("<<: {mode: live}"))[0].startswith(
        "policy.yaml:5: profiles.kids.<<: unknown key; known are"
    )


def test_a_key_given_twice_is_named_with_both_lines_and_both_values_are_checked() -> None:
    twice = in_profile("mode: live", "mode: holt", "mode: live", "risks:", "  A.1: {stop: 0.8}", "  A.1: {stop: 8}")
    assert errors(twice) == [
        "policy.yaml:6: profiles.kids.mode: given twice, first on line 5",
        "policy.yaml:6: profiles.kids.mode: must be one of hold, live, monitor, not 'holt'",
        "policy.yaml:7: profiles.kids.mode: given twice, first on line 5",
        "policy.yaml:10: profiles.kids.risks.A.1: given twice, first on line 9",
        f"policy.yaml:10: profiles.kids.risks.A.1.stop: {THRESHOLD}, not 8",
    ]


def test_unknown_parents_and_cycles_are_named_once_each() -> None:
    text = """version: 1
profiles:
  a: {extends: minr}
  b: {extends: c}
  c: {extends: d}
  d: {extends: b}
  e: {extends: d}
  f: {extends: f}
  g: {extends: default}
"""
    assert errors(text) == [
        "policy.yaml:3: profiles.a.extends: unknown profile 'minr', did you mean 'minor'?",
        "policy.yaml:4: profiles.b.extends: extends itself: 'b' → 'c' → 'd' → 'b'",
        "policy.yaml:5: profiles.c.extends: extends itself: 'c' → 'd' → 'b' → 'c'",
        "policy.yaml:6: profiles.d.extends: extends itself: 'd' → 'b' → 'c' → 'd'",
        "policy.yaml:8: profiles.f.extends: unknown profile 'f'; known are a, b, c, d, e, g, default, minor, monitor",
    ]


def test_a_cycle_through_the_files_own_default_is_one() -> None:
    found = errors("version: 1\nprofiles:\n  default: {extends: kids}\n  kids: {extends: default}\n")
    assert found[0] == "policy.yaml:3: profiles.default.extends: extends itself: 'default' → 'kids' → 'default'"


def test_a_mistake_that_others_inherit_is_named_once_where_it_is() -> None:
    text = in_profile("risks: {A.1: {flag: 0.95}}") + "  teens:\n    extends: kids\n"
    assert errors(text) == [
        "policy.yaml:5: profiles.kids.risks.A.1.flag: flag 0.95 is above stop 0.9: nothing would be flagged before it "
        "is stopped"
    ]


def test_values_of_several_lines_at_odds_are_named_at_the_last() -> None:
    assert errors(in_profile("risks:", "  A.1: {stop: 0.8}", "  A.1.a: {flag: 0.85}")) == [
        "policy.yaml:7: profiles.kids.risks.A.1.a.flag: flag 0.85 is above stop 0.8: nothing would be flagged before "
        "it is stopped"
    ]


def test_flag_and_stop_may_be_the_same() -> None:
    assert Policy.parse(in_profile("risks: {A.1: {flag: 0.9}}")).profile("kids").rule("A.1.a").flag == 0.9


def test_a_gate_that_fails_open_cannot_hold_a_risk_that_fails_closed() -> None:
    says = "closed for a risk, open for the profile: at the deadline its gate would show the text"
    assert errors(in_profile("on_failure: open", "risks: {A.1: {on_failure: closed}}")) == [
        f"policy.yaml:6: profiles.kids.risks.A.1.on_failure: {says}"
    ]
    Policy.parse(in_profile("on_failure: open", "risks: {A.1: {on_failure: closed, stop: null}}"))


def test_all_problems_come_together_in_the_order_of_the_file() -> None:
    text = """version: 1
extra: 1
profiles:
  one:
    extends: default
    mode: fast
    risks:
      A.9: {stop: 0.5}
      A.1: {stop: 2, flag: x, when: 3}
  two:
    extends: default
    unit_ms: 9000
    detectors: [classifier]
"""
    assert [line.split(": ")[:2] for line in errors(text)] == [
        ["policy.yaml:2", "extra"],
        ["policy.yaml:6", "profiles.one.mode"],
        ["policy.yaml:8", "profiles.one.risks.A.9"],
        ["policy.yaml:9", "profiles.one.risks.A.1.stop"],
        ["policy.yaml:9", "profiles.one.risks.A.1.flag"],
        ["policy.yaml:9", "profiles.one.risks.A.1.when"],
        ["policy.yaml:12", "profiles.two.unit_ms"],
        ["policy.yaml:13", "profiles.two.detectors"],
    ]


def test_a_mistake_repeated_a_thousand_times_is_listed_two_hundred_times() -> None:
    found = errors(in_profile("risks:", *(f"  A.1.{number}: {{}}" for number in range(1000))))
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == f"policy.yaml: and {1000 - MAX_PROBLEMS} more problems"


def test_profiles_are_bounded() -> None:
    names = "".join(f"  p{number}: {{extends: default}}\n" for number in range(MAX_PROFILES + 1))
    assert errors(f"version: 1\nprofiles:\n{names}") == [
        f"policy.yaml:{MAX_PROFILES + 3}: profiles: more than 1000 profiles"
    ]


def test_a_chain_of_parents_as_long_as_allowed_is_read() -> None:
    names = "".join(f"  p{number}: {{extends: p{number + 1}}}\n" for number in range(MAX_PROFILES - 1))
    policy = Policy.parse(f"version: 1\nprofiles:\n{names}  p{MAX_PROFILES - 1}: {{extends: default, unit_ms: 3}}\n")
    assert policy.profile("p0").unit_ms == 3


def load_error(path: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        Policy.load(path)
    return str(caught.value).removeprefix(str(path))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert load_error(tmp_path / "none.yaml") == ": cannot be read: No such file or directory"
    assert load_error(tmp_path) == ": cannot be read: Is a directory"
    with pytest.raises(PolicyError, match="cannot be read: embedded null byte"):
        Policy.load("a\0b")


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes("version: 1\n# 未成年人\n".encode("gb18030"))
    assert load_error(file) == ":2: not UTF-8: byte 0xb3; save the file as UTF-8"
    file.write_bytes("version: 1\n".encode("utf-16"))
    assert load_error(file) == ":1: not UTF-8: byte 0xff; save the file as UTF-8"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    for filling in ("#", "人"):
        file.write_text(f"# {filling * MAX_BYTES}", encoding="utf-8")
        assert load_error(file) == f": larger than {MAX_BYTES} bytes"
    with pytest.raises(PolicyError, match="larger than"):
        Policy.parse("人" * (MAX_BYTES // 2))


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + in_profile("mode: live").replace("\n", "\r\n").encode())
    assert Policy.load(file).profile("kids").mode == "live"


def test_the_error_is_an_input_error_that_carries_its_problems_and_can_be_sent_elsewhere() -> None:
    with pytest.raises(InputError) as caught:
        Policy.parse("version: 3", "x.yaml")
    error = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(error, PolicyError)
    assert (error.file, str(error)) == ("x.yaml", str(caught.value))
    assert error.problems == [Problem(1, "version", "must be 1, not 3"), Problem(1, "profiles", "missing")]


LATE = "is above deadline_ms {}: gates give up before it ends"
NOTES = [
    (
        "mode: live",
        "mode",
        "live mode shows text before it is checked; a stop then also orders retract, whether listed or not",
    ),
    ("gap: {wait_ms: 5001}", "gap.wait_ms", f"wait_ms 5001 {LATE.format(5000)}"),
    ("deadline_ms: 1500\n    gap: {wait_ms: 1501}", "gap.wait_ms", f"wait_ms 1501 {LATE.format(1500)}"),
    (
        "risks: {A.5.a: {flag: 0.5}}",
        "risks.A.5.a.flag",
        "has no effect: no filter decides whether text is accurate or helpful",
    ),
    (
        "risks: {A.1: {then: [stop_transmission, support]}}",
        "risks.A.1.then",
        "support is a crisis answer for self-harm (A.4.a), and is given for more here",
    ),
]


@pytest.mark.parametrize(("line", "key", "says"), NOTES, ids=[key for _, key, _ in NOTES])
def test_what_may_surprise_is_noted(line: str, key: str, says: str) -> None:
    assert [(note.key, note.message) for note in Policy.parse(in_profile(line)).notes] == [
        (f"profiles.kids.{key}", says)
    ]


def test_a_monitor_that_stops_at_failures_is_noted() -> None:
    notes = Policy.parse(in_profile("mode: monitor", "on_failure: open")).notes
    message = "monitor mode stops nothing that it finds, and yet stops at a failure unless on_context_lost is open"
    assert notes == (Problem(5, "profiles.kids.mode", message),)
