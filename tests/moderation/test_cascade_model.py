"""Real models of each kind behind the stream and behind whole texts: both say the same, and the cascade spares work."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.classifier import Model, load_manifest, load_model
from sluice.moderation.moderator import Moderator
from sluice.policy import Policy
from support.drive import Driver, deltas_of
from support.marks import mark_detectors
from support.models import write_cascade, write_encoder

SHIPPED = Path(__file__).parents[2] / "models" / "default"
CHEAP = SHIPPED / "cheap" if (SHIPPED / "cheap").is_dir() else SHIPPED
POLICY = "version: 1\nprofiles:\n  watch: {extends: default, mode: monitor}\n"
HARM = "加微信拿货，冰毒麻古现货秒发，全国包邮到付。"
TEXT = f"今天天气很好，我们去公园走走。{HARM}这是坏话。他们引用了一句：坏！好的，就这样吧。"


@pytest.fixture(scope="module", params=["ngrams", "encoder", "cascade"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp("model") / "one"
    if request.param == "encoder":
        write_encoder(directory)
    elif request.param == "cascade":
        write_cascade(directory, CHEAP, load_manifest(CHEAP).heads)
    return load_model(CHEAP if request.param == "ngrams" else directory)


@pytest.mark.parametrize("size", [1, 4, 1_000])
def test_a_stream_and_a_whole_text_agree(model: Model, size: int) -> None:
    policy = Policy.parse(POLICY, "test.yaml")
    detectors = mark_detectors(model, policy)
    whole = Moderator("watch", policy=policy, lexicon=detectors.lexicon, scorer=model).check(TEXT)
    driver = Driver(detectors)
    for delta in deltas_of("s", [TEXT[at : at + size] for at in range(0, len(TEXT), size)], profile="watch"):
        driver.send(delta)
    found = [f.finding for f in driver.flags() if f.finding is not None]
    assert [
        (f.rule, f.start, f.end, f.score) for f in sorted(found, key=lambda f: (f.start, f.end, f.source, f.rule))
    ] == [(f.rule, f.start, f.end, f.score) for f in whole.findings]
    assert driver.watermark("s") == len(TEXT)
    assert set(whole.scores) == {head.name for head in model.heads}
    assert whole.versions.model == model.version


def test_only_what_is_in_doubt_goes_to_the_strong_member(tmp_path: Path) -> None:
    model = load_model(write_cascade(tmp_path / "both", CHEAP, load_manifest(CHEAP).heads))
    driver = Driver(mark_detectors(model, Policy.parse(POLICY, "test.yaml")))
    driver.judging = False
    driver.send(*deltas_of("s", ["今天天气很好。", "我们去公园走走。", HARM], profile="watch"))
    assert [(ask.unit.text, ask.unit.context) for ask in driver.asks] == [(HARM, "今天天气很好。我们去公园走走。")]
    driver.judge()
    assert not driver.flags() and driver.watermark("s") == 15 + len(HARM)
