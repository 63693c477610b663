"""The network's own codes in words, in zh, ru and en. Codes of ISO, of HQ's lists and others' stand as they are."""

from __future__ import annotations

from typing import Any, Final

from hub.evidence.words import STREAMS, Words, word

CODES: Final[dict[str, Words]] = {
    "kind": {
        "development": ("技术开发", "разработка технологии", "development"),
        "transfer": ("技术转让", "передача технологии", "transfer"),
        "licence": ("技术许可", "лицензия", "licence"),
        "consulting": ("技术咨询", "консультации", "consulting"),
        "service": ("技术服务", "технические услуги", "service"),
        "equity": ("技术入股", "вклад технологии в капитал", "technology for equity"),
        "joint_venture": ("合资企业", "совместное предприятие", "joint venture"),
        "enterprise": ("企业", "предприятие", "enterprise"),
        "institute": ("研究院所", "научный институт", "research institute"),
        "university": ("高等院校", "университет", "university"),
        "investor": ("投资机构", "инвестор", "investor"),
        "service_firm": ("服务机构", "сервисная компания", "service firm"),
    },
    "payment": {
        "lump_sum_once": ("一次总付", "единовременный платёж", "lump sum, paid at once"),
        "lump_sum_instalments": ("一次总算、分期支付", "твёрдая сумма в рассрочку", "lump sum, in instalments"),
        "royalty": ("提成支付", "роялти", "royalty"),
        "royalty_entry_fee": ("提成加入门费", "роялти с первоначальным взносом", "royalty with an entry fee"),
    },
    "size": {
        "micro": ("微型", "микро", "micro"),
        "small": ("小型", "малый", "small"),
        "medium": ("中型", "средний", "medium"),
        "large": ("大型", "крупный", "large"),
    },
    "stage": {
        "concept": ("概念阶段", "концепция", "concept"),
        "under_development": ("研发中", "в разработке", "under development"),
        "lab_tested": ("已通过实验室测试", "испытано в лаборатории", "tested in the laboratory"),
        "available_for_demonstration": ("可供演示", "готово к демонстрации", "available for demonstration"),
        "on_the_market": ("已上市", "на рынке", "on the market"),
    },
    "ip_status": {
        "none": ("无", "без охраны", "none"),
        "secret_know_how": ("技术秘密", "секрет производства (ноу-хау)", "secret know-how"),
        "applied_not_granted": ("已申请，未授权", "заявка подана, охрана не предоставлена", "applied for, not granted"),
        "granted": ("已授权", "охрана предоставлена", "granted"),
    },
    "partnership_kinds": {
        "licence": ("许可", "лицензия", "licence"),
        "technical_cooperation": ("技术合作", "техническое сотрудничество", "technical cooperation"),
        "research_cooperation": ("合作研究", "научное сотрудничество", "research cooperation"),
        "joint_venture": ("合资企业", "совместное предприятие", "joint venture"),
        "manufacturing": ("委托制造", "производство", "manufacturing"),
        "commercial_agency": ("商业代理", "торговое представительство", "commercial agency"),
        "outsourcing": ("外包", "аутсорсинг", "outsourcing"),
        "services": ("服务", "услуги", "services"),
        "financial": ("融资", "финансирование", "financing"),
        "acquisition": ("收购", "приобретение", "acquisition"),
    },
    "export_control": {
        "free": ("自由出口", "не ограничен", "free"),
        "restricted": ("限制出口", "ограничен", "restricted"),
        "prohibited": ("禁止出口", "запрещён", "prohibited"),
    },
    "direction": {
        "north": ("北向", "север", "north"),
        "west": ("西向", "запад", "west"),
        "east": ("东向", "восток", "east"),
        "south": ("南向", "юг", "south"),
    },
    "zone": {
        "innovation": ("创新区", "инновационная", "innovation"),
        "industry": ("产业区", "промышленная", "industry"),
    },
    "streams": STREAMS,
}


def coded(field: str, value: Any, language: str) -> Any:
    """Return a field's code in words, each of a list; what is no code of ours as it is."""
    words = CODES.get(field)
    if words is None:
        return value
    if isinstance(value, list):
        return [coded(field, item, language) for item in value]
    return word(words, value, language) if isinstance(value, str) else value
