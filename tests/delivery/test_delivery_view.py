"""What a reader may see, case by case."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from test_delivery_view_laws import HOLD, LIVE, MONITOR, OPEN, order

from sluice.contract import decision_id
from sluice.delivery import ReleasedView
from sluice.errors import InputError
from sluice.policy import Profile


def view(profile: Profile = HOLD, **options: Any) -> ReleasedView:
    return ReleasedView(profile, "s", producer="p", **options)


def test_text_comes_out_up_to_the_watermark() -> None:
    gate = view()
    gate.feed("hello ", now=0.0)
    assert gate.take() == ""
    assert gate.held == 6
    gate.release(4)
    assert (gate.take(), gate.take(), gate.held) == ("hell", "", 2)
    gate.feed("world", True, now=1.0)
    gate.release(11)
    assert gate.take() == "o world"
    assert gate.ended
    assert gate.outcome is None


def test_a_release_may_come_before_its_text() -> None:
    gate = view()
    gate.release(8)
    gate.feed("hello ", now=0.0)
    assert gate.take() == "hello "
    assert gate.next_deadline is None
    gate.feed("world", now=0.0)
    assert gate.take() == "wo"


def test_a_release_never_moves_back() -> None:
    gate = view()
    gate.feed("hello", now=0.0)
    gate.release(4)
    gate.release(2)
    assert gate.take() == "hell"


def test_an_order_before_any_text_stops_it_all() -> None:
    gate = view()
    assert gate.give(order(start=0))
    gate.feed("hello", now=0.0)
    gate.release(5)
    assert gate.take() == ""
    assert gate.ended
    assert not gate.give(order(start=3))


def test_what_was_released_before_the_order_and_not_taken_is_still_shown() -> None:
    gate = view()
    gate.feed("good bad", now=0.0)
    gate.release(4)
    gate.give(order(start=5))
    gate.release(8)
    assert gate.take() == "good"
    assert gate.ended


def test_what_was_released_and_found_violating_is_not_handed_out() -> None:
    gate = view()  # a profile with release_unit delta can find what was shown in part
    gate.feed("good bad", now=0.0)
    gate.release(7)
    gate.give(order(start=5))
    assert gate.take() == "good "
    assert gate.leaked == 0


def test_leaked_characters_are_counted_and_to_be_retracted() -> None:
    gate = view()
    gate.feed("good bad", now=0.0)
    gate.release(7)
    assert gate.take() == "good ba"
    gate.give(order("retract", start=5))
    assert (gate.leaked, gate.retract_from) == (2, 5)


def test_an_order_for_another_channel_stops_without_a_leak() -> None:
    gate = view()
    gate.feed("good", now=0.0)
    gate.release(4)
    gate.take()
    assert gate.give(order(start=0, channel="reasoning"))
    assert (gate.leaked, gate.retract_from) == (0, None)


@pytest.mark.parametrize("kind", ["stop_generation", "support"])
def test_orders_for_others_do_not_stop_the_reader(kind: str) -> None:
    gate = view()
    assert not gate.give(order(kind))
    assert not gate.stopped


def test_live_shows_at_once_and_retracts() -> None:
    gate = view(LIVE)
    gate.feed("good bad ", now=0.0)
    assert gate.take() == "good bad "
    gate.feed("worse", now=0.0)
    gate.give(order(start=5))
    assert gate.take() == ""
    assert (gate.leaked, gate.retract_from) == (4, 5)


def test_live_ends_only_with_the_verdict_on_its_last_character() -> None:
    gate = view(LIVE)
    gate.feed("good", True, now=0.0)
    assert gate.take() == "good"
    assert not gate.ended
    gate.release(4)
    assert gate.ended


def test_live_that_stays_unscanned_is_cut_at_the_deadline() -> None:
    gate = view(LIVE)
    gate.feed("good", True, now=0.0)
    gate.take()
    gate.tick(now=60.0)
    assert gate.outcome == "blocked_unavailable"


def test_monitor_ends_with_its_text() -> None:
    gate = view(MONITOR)
    gate.feed("good", True, now=0.0)
    assert gate.take() == "good"
    assert gate.ended


def test_the_deadline_closes() -> None:
    gate = view()
    gate.feed("one ", now=10.0)
    gate.feed("two", now=12.0)
    gate.release(2)
    assert gate.next_deadline == 15.0
    assert not gate.tick(now=14.9)
    assert gate.tick(now=15.0, wall=77.0)
    assert gate.take() == "on"
    assert gate.order is not None
    assert (gate.order.reason, gate.order.outcome, gate.order.order) == (
        "deadline",
        "blocked_unavailable",
        "stop_transmission",
    )
    assert gate.order.id == decision_id("s", "answer", "stop_transmission", "deadline", "", 0, 0)
    assert (gate.order.decided_at, gate.order.watermark, gate.order.producer) == (77.0, 2, "p")


def test_the_deadline_opens_and_says_so() -> None:
    gate = view(OPEN)
    gate.feed("one ", now=10.0)
    gate.feed("two", True, now=12.0)
    gate.release(2)
    gate.tick(now=15.0)
    assert gate.take() == "one "
    assert (gate.unscanned, gate.outcome) == (2, "passed_unscanned")
    assert gate.next_deadline == 17.0
    gate.release(7)
    assert gate.take() == "two"
    assert gate.unscanned == 2


def test_what_the_worker_passed_unscanned_is_counted_once() -> None:
    gate = view()
    gate.feed("one two", now=0.0)
    gate.release(3, True)
    gate.release(3, True)
    gate.release(7)
    assert gate.unscanned == 3


def test_text_after_the_final_one_is_refused() -> None:
    gate = view()
    gate.feed("", True, now=0.0)
    assert gate.ended
    with pytest.raises(InputError, match="after its final one"):
        gate.feed("x", now=0.0)


def test_a_channel_that_is_too_long_is_stopped() -> None:
    gate = view(max_chars=10)
    gate.feed("x" * 10, now=0.0)
    gate.release(4)
    gate.feed("y", now=0.0)
    assert gate.take() == "xxxx"
    assert gate.order is not None
    assert gate.order.reason == "limit"


def test_the_mean_of_held_characters_is_over_the_deltas() -> None:
    gate = view()
    gate.feed("1234", now=0.0)  # holds 4
    gate.release(4)
    gate.feed("56", now=0.0)  # holds 2
    gate.release(12)
    gate.feed("", now=0.0)  # holds 0
    assert gate.held_mean == pytest.approx(2.0)


def test_many_small_releases_of_a_long_text_are_cheap() -> None:
    gate = view()
    text = "字" * 1_900_000
    gate.feed(text, True, now=0.0)
    shown = []
    for offset in range(50, len(text) + 50, 50):
        gate.release(offset)
        shown.append(gate.take())
    assert "".join(shown) == text  # copying the rest each time would take minutes
    assert gate.ended


def test_the_deadline_applies_to_the_profile_at_hand() -> None:
    gate = view(msgspec.structs.replace(HOLD, deadline_ms=100))
    gate.feed("a", now=1.0)
    assert gate.next_deadline == pytest.approx(1.1)
