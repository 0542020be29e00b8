"""The figures of the classifier benchmark for people: a table and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["plot", "table"]


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{'':26}{'windows/s':>12}{'one by one':>12}{'p50 ms':>10}{'p99 ms':>10}{'core s/M chars':>16}"]
    cost = result["core_seconds_per_million_characters"]
    for name, found in result["windows"].items():
        call = found["ms_per_call"]
        lines.append(
            f"{name:26}{found['windows_per_second']:12,.0f}{found['windows_per_second_one_by_one']:12,.0f}"
            f"{call['p50']:10.3f}{call['p99']:10.3f}{cost[name]:16.2f}"
        )
    lines += [f"{name:70}{value:16.2f}" for name, value in cost.items() if name not in result["windows"]]
    lines += [f"{name:26}{found['us_per_delta']:12.1f} us a delta" for name, found in result["deltas"].items()]
    asked = result["mix"]["strong_member_asked"]
    lines.append("strong member asked: " + ", ".join(f"{kind} {found['share']:.1%}" for kind, found in asked.items()))
    lines += [f"{name:48}{'x' + format(ratio, '.1f'):>10}" for name, ratio in result["ratios"].items()]
    return "\n".join(lines)


def plot(result: dict[str, Any], path: Path) -> None:
    """Cost of characters, time of a call, cost of a delta."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(14, 4.2))
    costs = dict(sorted(result["core_seconds_per_million_characters"].items(), key=lambda item: -item[1]))
    bars = left.barh(list(costs), list(costs.values()))
    left.bar_label(bars, fmt="{:.3g}", fontsize=7, padding=2)
    left.set_xscale("log")
    left.margins(x=0.15)
    left.set_xlabel("core-seconds per million characters")
    for name, found in result["windows"].items():
        call = found["ms_per_call"]
        middle.plot([call["p50"], call["p99"]], [name, name], "-o")
    middle.set_xscale("log")
    middle.set_xlabel("milliseconds a call of one sentence, p50 to p99")
    skims = {name: found["us_per_delta"] for name, found in result["deltas"].items()}
    right.bar_label(right.bar(list(skims), list(skims.values())), fmt="{:.3g}", fontsize=7)
    right.axhline(result["aims"]["us_per_delta"]["aim"], linestyle="--", color="grey")
    right.set_ylabel("core-microseconds a delta")
    for axes in (left, middle, right):
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    asked = result["mix"]["strong_member_asked"]["all"]["share"]
    figure.suptitle(f"one core, {result['mix']['risky_percent']:g} % risky, strong member asked about {asked:.1%}")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
