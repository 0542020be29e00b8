"""Whatever comes in whatever order: a reader sees the text once, from its start, and never what is not released."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract import Finding, FrameRef, Order, Versions
from sluice.delivery import ReleasedView
from sluice.policy import Policy, Profile

SHIPPED = Policy.shipped()
HOLD = SHIPPED.profile("default")
LIVE = msgspec.structs.replace(HOLD, mode="live")
MONITOR = SHIPPED.profile("monitor")
OPEN = msgspec.structs.replace(HOLD, on_failure="open")

parts = st.lists(st.text(max_size=6), max_size=12)


def order(kind: str = "stop_transmission", start: int | None = None, channel: str = "answer") -> Order:
    finding = None if start is None else Finding("A.1.h", "lexicon", "r", 1.0, start, start + 3)
    return Order(
        v=1,
        id=f"{kind}-{start}-{channel}",
        order=kind,  # type: ignore[arg-type]
        producer="p",
        stream="s",
        channel=channel,  # type: ignore[arg-type]
        profile="default",
        outcome="blocked",
        reason="finding",
        watermark=0,
        frame=FrameRef(0, 0),
        versions=Versions(),
        sent_at=0.0,
        decided_at=0.0,
        finding=finding,
    )


steps = st.lists(
    st.one_of(
        st.just("feed"),
        st.integers(0, 80).map(lambda offset: ("release", offset)),
        st.integers(0, 80).map(lambda offset: ("unscanned", offset)),
        st.floats(0, 3).map(lambda seconds: ("wait", seconds)),
        st.just("take"),
        st.none() | st.integers(0, 60),  # an order, with a finding that starts there
    ),
    max_size=60,
)


class Run:
    """Plays steps on a view, and keeps the account."""

    def __init__(self, profile: Profile, texts: list[str]) -> None:
        self.view = ReleasedView(profile, "s")
        self.texts = texts
        self.now = 0.0
        self.fed = ""
        self.shown = ""
        self.released = 0
        self.passed_until = 0
        self.waiting: list[tuple[int, float]] = []

    def play(self, step: object) -> None:
        view = self.view
        if step == "feed":
            if self.texts and not view.final:
                text = self.texts.pop(0)
                if not view.stopped:
                    self.fed += text
                    self.waiting.append((len(self.fed), self.now))
                view.feed(text, not self.texts, now=self.now)
        elif step == "take":
            self.shown += view.take()
        elif isinstance(step, tuple) and step[0] in ("release", "unscanned"):
            if not view.stopped:
                self.released = max(self.released, int(step[1]))
            view.release(int(step[1]), step[0] == "unscanned")
        elif isinstance(step, tuple):
            self.now += step[1]
            if not view.stopped:
                for end, at in self.waiting:
                    if self.now - at >= view.profile.deadline_ms / 1000 and end > self.released:
                        self.passed_until = max(self.passed_until, end)
            view.tick(now=self.now)
        elif step is None or isinstance(step, int):
            view.give(order(start=step))


@given(parts, steps)
def test_in_hold_mode_nothing_passes_the_watermark(texts: list[str], plan: list[object]) -> None:
    run = Run(HOLD, texts)
    for step in plan:
        run.play(step)
        assert run.fed.startswith(run.shown)
        assert len(run.shown) <= run.released
        assert run.view.visible <= max(run.released, len(run.shown))
    assert run.view.delivered == len(run.shown)


@given(parts, steps)
def test_what_is_released_and_not_stopped_is_shown(texts: list[str], plan: list[object]) -> None:
    run = Run(HOLD, texts)
    for step in plan:
        if isinstance(step, int) or step is None or (isinstance(step, tuple) and step[0] == "wait"):
            continue
        run.play(step)
    run.play("take")
    assert run.shown == run.fed[: run.released]
    assert run.view.ended == (run.view.final and run.released >= len(run.fed))


@given(parts, steps)
def test_after_a_stop_only_what_was_released_before_it(texts: list[str], plan: list[object]) -> None:
    for profile in (HOLD, LIVE, MONITOR, OPEN):
        run = Run(profile, list(texts))
        allowed = None
        for step in plan:
            run.play(step)
            view = run.view
            if view.order is not None:
                if allowed is None:
                    allowed = view.visible
                    finding = view.order.finding
                    if finding is not None:
                        assert allowed <= max(len(run.shown), finding.start)
                assert len(run.shown) <= allowed
                assert view.held == 0
                assert view.next_deadline is None
        if allowed is not None:
            run.play("take")
            assert len(run.shown) == allowed
            assert run.view.take() == ""
            assert run.view.ended
            finding = run.view.order.finding if run.view.order else None
            assert run.view.leaked == (0 if finding is None else max(0, len(run.shown) - finding.start))


@given(parts, steps)
def test_failing_open_shows_only_what_was_released_or_is_overdue(texts: list[str], plan: list[object]) -> None:
    run = Run(OPEN, texts)
    for step in plan:
        run.play(step)
        assert len(run.shown) <= max(run.released, run.passed_until)
        assert run.fed.startswith(run.shown)
    if run.view.unscanned == 0:
        assert len(run.shown) <= run.released


@given(parts, steps, st.lists(st.integers(0, 10_000), max_size=30))
def test_repeats_change_nothing(texts: list[str], plan: list[object], where: list[int]) -> None:
    once, twice = Run(HOLD, list(texts)), Run(HOLD, list(texts))
    for index, step in enumerate(plan):
        once.play(step)
        twice.play(step)
        for at in where:
            # A decision that came before comes again.
            if index and at % 7 == 0:
                again = plan[at % index]
                if again != "feed" and again != "take" and not (isinstance(again, tuple) and again[0] == "wait"):
                    if again is None or isinstance(again, int):
                        if once.view.order is not None:
                            twice.play(again)
                    else:
                        twice.play(again)
        assert once.view.delivered == twice.view.delivered
        assert (once.view.order is None) == (twice.view.order is None)
    once.play("take")
    twice.play("take")
    assert once.shown == twice.shown


@given(parts, steps)
def test_live_and_monitor_show_all_text_at_once(texts: list[str], plan: list[object]) -> None:
    for profile in (LIVE, MONITOR):
        run = Run(profile, list(texts))
        for step in plan:
            run.play(step)
            if run.view.order is None:
                run.play("take")
                assert run.shown == run.fed
                assert run.view.held == 0


@given(parts, steps)
def test_a_deadline_is_told_exactly_while_something_waits_for_it(texts: list[str], plan: list[object]) -> None:
    run = Run(HOLD, texts)
    for step in plan:
        run.play(step)
        view = run.view
        waits = view.order is None and len(run.fed) > run.released
        assert (view.next_deadline is not None) == waits
        if view.next_deadline is not None:
            assert view.next_deadline > run.now
