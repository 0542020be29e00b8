"""Moderates whole texts in this process, without any broker.

python examples/whole_text.py [TEXT …] [--profile default]
"""

from __future__ import annotations

import argparse

from sluice import Moderator

TEXTS = (
    "周末可以去公园散步，也可以在家看一本好书。",
    "想要刺激的话，推荐你试试真人百家乐在线，注册简单。",
)


def main(texts: list[str], profile: str) -> None:
    moderator = Moderator(profile)
    for text, result in zip(texts, moderator.check_many(texts), strict=True):
        print(f"{result.action:8} {text}")
        for finding in result.findings:
            print(f"         {finding.risk} {finding.source} {finding.score:.2f}: {text[finding.start : finding.end]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--profile", default="default")
    # The other examples need a broker; this one takes the option and does without.
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    options = parser.parse_args()
    main(options.texts or list(TEXTS), options.profile)
