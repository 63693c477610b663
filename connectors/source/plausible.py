"""How likely a text is one that people wrote, in bits: to weigh what the same bytes say in several encodings.

A word adds what its letters are worth in the languages of the network, against letters by chance. What nobody writes
takes away much: capitals inside a word, two alphabets in one, signs between letters, a soft sign at a word's beginning.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

_REMEMBERED_CHARS_MAX: Final = 64
_BROKEN: Final = -12.0
_ABBREVIATED: Final = -7.0  # most abbreviations of Russian institutes have small letters between capitals
_ABBREVIATION_CHARS_MAX: Final = 8
_QUIET: Final = frozenset(
    "\u00ab\u00bb\u2014\u2013\u2116\u2026\u201c\u201d\u201e\u00a0\u00b0\u00a7\u2019\u2018\u00b7\u2022\u060c\u061b\u061f"
)
_SIGNS: Final = frozenset(
    "\u00a9\u00ae\u2122\u20ac\u00b1\u00b5\u00d7\u00b2\u00b3\u2264\u2265\u2212\u2103\u00a3\u00a5\u20b8\u2190\u2192\u00f7\u00bd\u00bc\u2026"
)
_INSIDE: Final = frozenset(
    "\u2019\u2018\u00b7\u00a0\u2014\u2013\u2026\u2022\u00d7\u3000\u3001\u3002"
)  # may stand between letters
_ENDS: Final = frozenset("\u2014\u2013\u2026\u00bb\u201d\u2019\u00b7\u060c\u061b\u061f")
_BEGINS: Final = frozenset("\u00ab\u201e\u2116\u2022")
_PIECE: Final = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")
# Per mille of Russian letters; the letters that other languages of the network have beside them get a small share.
_RUSSIAN: Final = dict(
    zip(
        "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
        (110, 85, 80, 74, 67, 63, 55, 47, 45, 44, 35, 32, 30, 28, 26, 20, 19, 17, 17, 16, 16, 14, 12, 10, 9, 7, 6, 5, 4,
         3, 3, 1, 1),
        strict=True,
    )
)  # fmt: skip
_BITS: Final = {letter: math.log2(share * 33 / 1000) for letter, share in _RUSSIAN.items()}
_BITS.update(dict.fromkeys("әғқңөұүһіўҳҷӣӯїєґҗ", -2.0))
_VOWELS: Final = frozenset("оеаиуяыюэёәөұүіўӣӯїє")
_TYPED_LATIN: Final = str.maketrans(
    "ABCEHKMOPTXaceopxy",
    "\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425\u0430\u0441\u0435\u043e\u0440\u0445\u0443",
)  # with the other keyboard
_NOT_FIRST: Final = frozenset("ъьы")
# What Cyrillic letters make that come from other bytes: a capital behind a small letter, Latin beside what is not.
_DISTURBED: Final = re.compile(
    "[A-Za-z\u0410-\u042f\u00a4-\u00ae\u2018-\u2026\u0402-\u040f\u0452-\u045f]"
    "(?:(?<=[\u0430-\u044f\u0451].)|(?<![\u0410-\u042f])(?=[\u0430-\u044f])|(?<![A-Za-z\u0410-\u042f])(?<=[\u0410-\u042f].))"
)
_FOREIGN_BITS: Final = -20.0
_GOOD_BITS: Final = 4.0
_UTF8_CHARS_MIN: Final = 5
_GOOD_SHARE: Final = 0.3  # of a bit for each letter: most texts are worth twice that
_BETTER_BITS: Final = 12.0  # two to this power to one
# Letters that no language of the network has; the Cyrillic of a Mac differs from windows-1251 in capitals alone.
# A small letter before capitals is a name in the encodings whose letters are of the other case.
_TELLING: Final = re.compile(
    "[\u0402\u0403\u0409-\u040c\u040f\u0452\u0453\u0459-\u045c\u045f]"
    "|(?<![\u0410-\u044f])[\u0430-\u044f][\u0410-\u042f]{4}"
)
_BETTER_BITS_TELLING: Final = 4.0
# What small letters of another encoding make, and names in capitals too: only then is it weighed.
_SHOUTED: Final = re.compile("[\u0410-\u042f]{4}")
_CYRILLIC_FAMILIES: Final = (
    ("windows-1251", "kz1048", "ptcp154"),
    ("koi8-r", "koi8-u", "koi8-t"),
    ("cp866", "cp1125"),
    ("mac-cyrillic",),
    ("iso8859-5",),
)
_SETTLED_BY_SIGNS: Final = frozenset(_CYRILLIC_FAMILIES[0])  # other bytes make signs between letters, or capitals
_SIBLINGS: Final = {
    encoding: ("utf-8", *(family[0] for family in _CYRILLIC_FAMILIES if encoding not in family))
    for family in _CYRILLIC_FAMILIES
    for encoding in family
}
_CYRILLIC: Final = re.compile("[\u0400-\u052f]+")
_ARABIC: Final = re.compile("[\u0621-\u065f\u0670-\u06d3\u200c\ufb50-\ufdff\ufe70-\ufefc]+")
_ARABIC_SHARES: Final = dict(
    zip(
        "\u0627\u0644\u0646\u0631\u0645\u0648\u06cc\u064a\u062a\u0628\u062f\u0647\u0633\u06a9\u0643\u0639\u0634"
        "\u0642\u0641\u062d\u06d2\u06c1\u062e\u062c\u0632\u067e\u06af\u0635\u0637\u0629\u0626\u0622\u0623\u0686"
        "\u06ba\u06be\u0679\u063a\u062b\u0630\u0636\u0638\u0698\u0688\u0691\u0621\u0649\u0625\u0624",
        (130, 75, 60, 60, 60, 60, 50, 45, 45, 40, 40, 40, 30, 25, 20, 20, 18, 17, 17, 15, 15, 15, 12, 12, 10, 10, 10, 9,
         9, 9, 8, 8, 8, 6, 6, 6, 6, 6, 4, 4, 4, 2, 1, 2, 2, 3, 4, 4, 2),
        strict=True,
    )
)  # fmt: skip
_BITS.update({letter: math.log2(share * 36 / 1000) for letter, share in _ARABIC_SHARES.items()})
_LATIN: Final = re.compile("[A-Za-z\u00aa\u00b5\u00ba\u00c0-\u024f\u0259\u1e00-\u1eff]+")
_RARE_LATIN: Final = frozenset("\u00fe\u00f0\u00fd\u00de\u00d0\u00dd\u00aa\u00ba\u00b5\u00ff\u0178\u0192")
_HAN: Final = re.compile("[\u3400-\u9fff]+")
_KANA: Final = re.compile("[\u3041-\u30ff]+")
_HANGUL: Final = re.compile("[\uac00-\ud7a3]+")
_HAN_BITS: Final = 1.8, -2.0, -4.0  # common, of GB2312's first level, rarer
_OPPOSITE: Final = frozenset(("big5", "shift_jis", "euc-jp", "euc-kr"))

# The Chinese characters that make up some nine tenths of what is written of technology, offices and trade.
_HAN_COMMON: Final = frozenset(
    "一万三上下不与专丙业东丝两个中临为主久么义之乌乙也习书乳了事二于云互五井些交产享京亮人亿什仅介仍从仓他付代以"
    "仪们件价任份仿企伊伏优伙会伞传伤伪估伴伸但位低住体何余作你使供依侦侧便促俄保信修值倾偏做停健偿储催像儿允元充"
    "先光克免入全公兰共关其具兹养内再写军农冰冲冶冷冻净准减凝几凸出击刀分切划列则创初删利别刮到制刷刹刺刻剂削前剖"
    "剥剪副割力办功加务动助势匀包化北匹区医匿十千升半协卓单南占卡卧卫印却卷厂历压厚原厢厨去参又及双反发取受变叠口"
    "古另只可台史叶号司各合吉吊同名后向否含吸吹告员周味命和咨品哈响哪售商善喷嘴器囊四回因团园围固国图圆土在地场圾"
    "址均坏坑块坦垃型垛垫城域培基堆堵塑塔填境墙增墨墩壁壤声壳壶处备复外多够大天太央失头夹套奶好如妆妇始姓姿婴子孔"
    "字存学孪它安完定实宠审客室害家容宽密察对导寿封射将小少尔尘尚就尼尾层居屋屏展属山岛嵌川州巡工差已巴币市布希带"
    "常帽干平年并广庆床序库应底废度座庭康延建开异式引张弯强归当录形影征径待得循微心志快态急性总恒恢息患悬情想意感"
    "慢慧戏成我或截户房所扇手才扑打托执扩扫扰批找承技把抑抓投抗折抛护报抽拆拉拌拓拔拜拟拣拼持挂指按挖挤挥振损换据"
    "授排掘探接控推描提插搅搜搭携摄摘撑撞撤播操支收改攻放故效敏救教散数整文斗料斜断斯新方施旁旋无日旧早时明易星映"
    "是显景晶智暖曲更曼最月有服朗期木未末本术机杀杂权杆材村束条来松板极构析林果枪架某染柔柜查柱标栏树栓校样核根格"
    "栽桃框案档桥桩桶梁梨梯械检棉棒棚森椅植椭概槽模横橡次欧款止正此步残殖段母每毒比毛民气氟氢氧氨氮氯水永求汇江池"
    "污汽沉沙没沥沫河油治法泡波泥注泵洁洋洒洗洞津活流浆浇测浙浮海浸涂消涡液涵淀淋深混添清渣温游湖湿溉源溯溶滑滚滤"
    "漆漏潜激灌火灭灯灰灵灾炉炭点炼烃烘烟烤烧热烯烷焊焙焦然煤照熔燃燕燥爆片版牌牙牛物牵特状独猪率玉环现玻珠球理璃"
    "瓦瓶瓷甘生用田由甲申电画留略疆疏疗病痕瘤登白百的皮益盐监盒盖盘目直相省看真眼着知矫短石矿码砂研砖破硅硫硬确硼"
    "碎碗碱碳磁磨磷磺示社神票禁离种科秤积称移稀程税稳稻究空穿窄窑窗窝立站端竹符第等筋筑筒策筛签简算管箱米类粉粒粘"
    "精系素索紧紫纠红纤约级纯纱纳纵纸纹纺线练组细织终经绒结绕绘给络绝绞统继续维绵综绿缆缓编缘缝缠缩缸缺罐网罗罩置"
    "署羊群翻老考者而耐耗耳职联聚肃肉肝股肥育肿胞胡胶胺能脂脉脐脑脚脱脸腊腔腻膜膨臂自至致航舱舶船良色艺节芯花苏苗"
    "若苯英草荐荧药荷获菌菜营萨蒙蒸蓄蓝蔬蔽蕉薄藏虑虚虫蚀蛋蜂蜡融螺血行衣补表袋被裁装西要覆见观规视觉角解触言警计"
    "订认让训议讯记许论设访证评识诊词试话询该语误说请读谁调谱谷豆负责账质购贴贸费资赖走起超距跟跨路踪身车轧轨转轮"
    "软轴轻载较辅辆辉辊辐输边达过运还这进远连迭述追退送适逆选透途通速造道遗遥遮避那部都酋配酒酵酶酸采释里重量金釜"
    "鉴针钙钠钢钥钻铁铅铆铜铝铰银铸铺链销锁锅锌错锡键锯锻镍镜长门问间闸阀阅防阳阶阻阿附际陈降限陕院除险陶陷隐隔障"
    "隧集雨零雷雾需震青静非面革靶鞋音页顶项预领频颗题颜额风飞食饮饰饲馅馆馈馏香马驱驶驾验骨高鱼鲜鸟麦黄黑齿"
)


def plausibility(text: str, encoding: str) -> float:
    """Return how much likelier it is that people wrote this text than that chance did, in bits."""
    bits = 0.0
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece.isascii():
            continue
        bits += _weigh(piece, encoding) if len(piece) <= _REMEMBERED_CHARS_MAX else _weigh.__wrapped__(piece, encoding)
        if not piece[0].isalpha():
            bits += _weigh_place(
                piece,
                text[max(found.start() - 1, 0) : found.start()].isalpha(),
                text[found.end() : found.end() + 1].isalpha(),
            )
    return bits


def _weigh_place(sign: str, is_behind_letter: bool, is_before_letter: bool) -> float:  # noqa: FBT001  where it stands
    """Return the bits of where a sign stands: few stand inside words, and each of the others on one side of them."""
    if is_behind_letter and is_before_letter:
        return 0.0 if sign in _INSIDE else _BROKEN
    if (is_before_letter and sign in _ENDS) or (is_behind_letter and sign in _BEGINS):
        return -5.0
    return 0.0


def is_foreign(text: str, encoding: str, *, is_named: bool = False) -> bool:
    """Return whether a row was hardly written in the encoding that the rest of its file is in.

    Shapes: where the mapping has named the encoding, only another one in which the row is good text tells.
    """
    if text.isascii() or (is_named and encoding not in _SIBLINGS):
        return False
    if encoding == "gb18030":
        unusual = {c for c in set(text) - _HAN_COMMON if c > "\x7f"}
        if 2 * len(unusual) <= len(set(text)):
            return False
        return plausibility(text, encoding) < _FOREIGN_BITS
    is_disturbed = _DISTURBED.search(text) is not None
    if is_disturbed and not is_named and plausibility(text, encoding) < _FOREIGN_BITS:
        return True
    if not is_disturbed and encoding in _SETTLED_BY_SIGNS and _SHOUTED.search(text) is None:
        return False
    return _reads_better(text, encoding, _BETTER_BITS_TELLING if _TELLING.search(text) else _BETTER_BITS)


def _reads_better(text: str, encoding: str, bits_min: float) -> bool:
    """Return whether the same bytes are good text in another encoding that Cyrillic is written in, or in UTF-8.

    Letters of KOI8 are others of the other case in windows-1251, and the other way round.
    """
    others = _SIBLINGS.get(encoding)
    if others is None:
        return False
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        return False
    ours = plausibility(text, encoding)
    if bits_min == _BETTER_BITS and ours > _GOOD_BITS and ours > _GOOD_SHARE * len(text):
        return False
    for other in others:
        try:
            theirs = plausibility(data.decode(other), other)
        except UnicodeDecodeError:
            continue
        # What is valid UTF-8 in several letters is it by no chance.
        if theirs - ours > (0.0 if other == "utf-8" and len(text) > _UTF8_CHARS_MIN else bits_min) and theirs > -2.0:
            return True
    return False


@lru_cache(maxsize=4096)
def _weigh(piece: str, encoding: str) -> float:
    """Return the bits of one word or sign."""
    if not piece[0].isalpha():
        return _weigh_sign(piece)
    if _CYRILLIC.fullmatch(piece):
        return _weigh_cyrillic(piece)
    if _LATIN.fullmatch(piece):
        return _weigh_latin(piece)
    if _ARABIC.fullmatch(piece):
        return sum(_BITS.get(letter, -4.0) for letter in piece)
    if piece[0] < "\u0530" and _CYRILLIC.fullmatch(cyrillic := piece.translate(_TYPED_LATIN)):
        return _weigh_cyrillic(cyrillic) - 4.0
    return sum(_weigh_east_asian(letter, encoding) for letter in piece)


def _weigh_sign(sign: str) -> float:
    if sign in _QUIET:
        return 0.0
    if sign in _SIGNS:
        return -1.0
    if "\u3000" <= sign <= "\u303f" or "\uff01" <= sign <= "\uff65":
        return 0.5  # Chinese punctuation and wide forms
    return _BROKEN if sign < "\u00a0" or "\ue000" <= sign <= "\uf8ff" else -4.0


def _is_of_one_case(word: str) -> bool:
    return word.islower() or word.isupper() or (word[0].isupper() and (len(word) == 1 or word[1:].islower()))


def _weigh_cyrillic(word: str) -> float:
    if not _is_of_one_case(word):
        return _ABBREVIATED if len(word) <= _ABBREVIATION_CHARS_MAX else _BROKEN
    lower = word.lower()
    bits = sum(_BITS.get(letter, -6.0) for letter in lower)
    if word.isupper() and len(word) > 1:
        bits -= 1.0
    if len(word) == 1 and lower not in _RUSSIAN:
        return -8.0  # no language has a word of such a letter alone
    if lower[0] in _NOT_FIRST:
        bits -= 8.0
    if len(word) >= 5 and not _VOWELS.intersection(lower):
        bits -= 8.0
    return bits


def _weigh_latin(word: str) -> float:
    if not _is_of_one_case(word):
        return _BROKEN
    beyond = [letter for letter in word if letter > "\x7f"]
    bits = -0.5 * len(beyond) - 3.0 * sum(letter in _RARE_LATIN for letter in beyond)
    pairs = sum(left > "\x7f" and right > "\x7f" for left, right in pairwise(word))
    return bits - 4.0 * pairs


def _weigh_east_asian(letter: str, encoding: str) -> float:
    if _HAN.match(letter):
        if encoding in _OPPOSITE:
            if encoding != "big5":
                return -1.5
            return 0.7 if letter.encode("big5hkscs", "replace")[0] <= 0xC6 else -3.0
        if letter in _HAN_COMMON:
            return _HAN_BITS[0]
        lead = letter.encode("gb18030", "replace")[0]
        return _HAN_BITS[1] if 0xB0 <= lead <= 0xD7 else _HAN_BITS[2]
    if _KANA.match(letter):
        return -1.0 if encoding == "gb18030" else 1.5
    if _HANGUL.match(letter):
        return 0.8
    return -4.0
