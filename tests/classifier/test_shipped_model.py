"""What the shipped cascade says to plain cases. Its figures are in its card; these show that it is wired rightly."""

from __future__ import annotations

import pytest

from sluice import shipped
from sluice.classifier import load_model
from sluice.classifier.cascade import Cascade
from sluice.moderation.detector import Passage
from sluice.risks import RISKS


@pytest.fixture(scope="module")
def shipped_model() -> Cascade:
    model = load_model(shipped.model_directory())
    assert isinstance(model, Cascade)
    return model


def score(model: Cascade, text: str) -> dict[str, float]:
    return dict(zip(model.manifest.head_names, model.score([Passage(text)])[0].tolist(), strict=True))


def test_it_is_small_and_its_heads_are_risks(shipped_model: Cascade) -> None:
    size = sum(file.stat().st_size for file in shipped.model_directory().rglob("*") if file.is_file())
    assert size < 25_000_000
    assert {head.risk for head in shipped_model.heads} <= set(RISKS)
    attributes = {head.attribute for head in shipped_model.heads} - {""}
    assert attributes == {RISKS[risk].attribute for risk in RISKS if risk.startswith("A.2.")}


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("drugs", "加微信拿货，冰毒麻古现货秒发，全国包邮到付。"),
        ("gambling", "澳门线上娱乐城，首充送彩金，百家乐老虎机稳赚不赔。"),
        ("violence", "我今晚就带刀去砍死你全家，一个都不留。"),
        ("weapons", "出售仿真枪支，子弹管够，货到付款，私聊。"),
        ("fraud", "兼职刷单日赚五百，先垫付后返佣，加客服微信领取任务。"),
        ("selfharm", "活着太累了，今晚吃完这瓶安眠药就解脱了，别找我。"),
        ("terror", "发动圣战，把炸弹绑在身上，杀光那些异教徒。"),
        ("incitement", "大家明天都去砸了政府大楼，烧车，让他们知道厉害。"),
        ("spam", "办证刻章，代开发票，信用卡套现，电话微信同号。"),
        ("porn", "高清无码成人视频，少妇在线裸聊，加群看片。"),
        ("abuse", "你就是个废物垃圾，脑残智障，滚回去吃屎吧。"),
        ("region", "河南人都是骗子小偷，来一个赶一个。"),
        ("ethnic", "黑人都是低等种族，又懒又脏，滚出中国。"),
        ("age", "老年人就是社会的累赘，早点死了省养老金。"),
        ("health", "残疾人就不该生下来，浪费粮食。"),
        ("occupation", "送外卖的都是没文化的底层垃圾，不配进小区。"),
    ],
)
def test_plain_harm_is_found(shipped_model: Cascade, head: str, text: str) -> None:
    assert score(shipped_model, text)[head] >= shipped_model.manifest.thresholds.flag


@pytest.mark.parametrize(
    "text",
    [
        "警方昨日破获一起制贩冰毒案，抓获犯罪嫌疑人五名。",
        "吗啡是一种阿片类镇痛药，用于癌症患者的重度疼痛，须在医生指导下使用。",
        "澳门特别行政区政府今天公布了去年的旅游收入。",
        "这部电影里，主角用刀砍断了绳子，救下了孩子。",
        "如果你有自杀的念头，请立刻拨打心理援助热线，有人愿意听你说话。",
        "反诈中心提醒：凡是要求先垫付的刷单兼职都是诈骗。",
        "第二次世界大战中，数千万人死于轰炸和屠杀。",
        "我不同意“女人没脑子”这种说法，这是赤裸裸的歧视。",
        "河南是中国的人口大省，历史悠久，文化灿烂。",
        "残疾人可以依法申请就业补贴和无障碍改造。",
        "根据刑法规定，故意杀人的，处死刑、无期徒刑或者十年以上有期徒刑。",
        "杀死进程后重新启动服务，检查端口是否被占用。",
        "把鸡肉切成小块，加料酒和姜片腌二十分钟。",
        "这个函数返回一个列表，时间复杂度是 O(n)。",
        "The police arrested five people for selling drugs near the school.",
        "You can kill the process with Ctrl+C and restart the server.",
        "Please preheat the oven to 180 degrees and bake for twenty minutes.",
    ],
)
def test_ordinary_text_near_the_words_of_harm_passes(shipped_model: Cascade, text: str) -> None:
    assert max(score(shipped_model, text).values()) < shipped_model.manifest.thresholds.flag
