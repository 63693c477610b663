"""The words of the domain for people who read evidence, in zh, ru and en. Others are shown as they are written."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("zh", "ru", "en")
Words = dict[str, tuple[str, str, str]]  # in the order of LANGUAGES

STREAMS: Final[Words] = {
    "deal": ("交易", "сделка", "deal"),
    "deal_confirmation": ("交易确认", "подтверждение сделки", "confirmation of a deal"),
    "offer": ("技术供给", "предложение", "offer"),
    "request": ("技术需求", "запрос", "request"),
    "partner": ("合作伙伴", "партнёр", "partner"),
    "lane": ("数据通道", "канал", "lane"),
    "center": ("中心", "центр", "center"),
    "schema": ("数据模式", "схема", "schema"),
    "code_list": ("代码表", "список кодов", "code list"),
}

EVENTS: Final[Words] = {
    "deal.opened": ("开立交易", "сделка открыта", "deal opened"),
    "deal.amended": ("变更交易", "сделка изменена", "deal amended"),
    "deal.signed": ("签署交易", "сделка подписана", "deal signed"),
    "deal.closed": ("完成交易", "сделка завершена", "deal closed"),
    "deal.terminated": ("终止交易", "сделка прекращена", "deal terminated"),
    "deal_confirmation.given": ("确认交易", "сделка подтверждена", "deal confirmed"),
    "deal_confirmation.disputed": ("对交易提出异议", "сделка оспорена", "deal disputed"),
    "offer.published": ("发布供给", "предложение опубликовано", "offer published"),
    "offer.revised": ("修订供给", "предложение изменено", "offer revised"),
    "offer.withdrawn": ("撤回供给", "предложение отозвано", "offer withdrawn"),
    "request.published": ("发布需求", "запрос опубликован", "request published"),
    "request.revised": ("修订需求", "запрос изменён", "request revised"),
    "request.withdrawn": ("撤回需求", "запрос отозван", "request withdrawn"),
    "partner.registered": ("登记合作伙伴", "партнёр зарегистрирован", "partner registered"),
    "partner.revised": ("修订合作伙伴", "данные партнёра изменены", "partner revised"),
    "partner.signed": ("与合作伙伴签约", "с партнёром подписано", "partner signed"),
    "partner.ended": ("结束合作", "партнёрство окончено", "partnership ended"),
    "lane.opened": ("开通数据通道", "канал открыт", "lane opened"),
    "center.registered": ("登记中心", "центр зарегистрирован", "center registered"),
    "center.revised": ("修订中心", "данные центра изменены", "center revised"),
    "center.key_added": ("增加密钥", "ключ добавлен", "key added"),
    "center.key_revoked": ("吊销密钥", "ключ отозван", "key revoked"),
    "center.suspended": ("暂停中心", "центр приостановлен", "center suspended"),
    "center.resumed": ("恢复中心", "центр возобновлён", "center resumed"),
    "center.closed": ("关闭中心", "центр закрыт", "center closed"),
}

STATUSES: Final[Words] = {
    "opened": ("已开立", "открыт", "opened"),
    "signed": ("已签署", "подписан", "signed"),
    "closed": ("已完成", "завершён", "closed"),
    "terminated": ("已终止", "прекращён", "terminated"),
    "given": ("已确认", "дан", "confirmed"),
    "disputed": ("有异议", "оспорен", "disputed"),
    "published": ("已发布", "опубликован", "published"),
    "announced": ("已公布", "объявлен", "announced"),
    "withdrawn": ("已撤回", "отозван", "withdrawn"),
    "registered": ("已登记", "зарегистрирован", "registered"),
    "ended": ("已结束", "окончен", "ended"),
    "active": ("有效", "действует", "active"),
    "suspended": ("已暂停", "приостановлен", "suspended"),
    "revoked": ("已吊销", "отозван", "revoked"),
    "open": ("已开通", "открыт", "open"),
    # Russian says a status by its noun: these are not masculine, or are said otherwise.
    "deal.opened": ("已开立", "открыта", "opened"),
    "deal.signed": ("已签署", "подписана", "signed"),
    "deal.closed": ("已完成", "завершена", "closed"),
    "deal.terminated": ("已终止", "прекращена", "terminated"),
    "deal_confirmation.given": ("已确认", "дано", "confirmed"),
    "deal_confirmation.disputed": ("有异议", "сделка оспорена", "disputed"),
    "offer.published": ("已发布", "опубликовано", "published"),
    "offer.withdrawn": ("已撤回", "отозвано", "withdrawn"),
    "partner.signed": ("已签约", "соглашение подписано", "signed"),
    "partner.ended": ("已结束", "партнёрство окончено", "ended"),
    "schema.announced": ("已公布", "объявлена", "announced"),
    "center.closed": ("已关闭", "закрыт", "closed"),
}

PURPOSES: Final[Words] = {
    "root": ("总部根密钥", "корневой ключ", "HQ's root key"),
    "receipts": ("总部回执密钥", "ключ квитанций", "HQ's receipts"),
    "log": ("总部日志密钥", "ключ журнала", "HQ's log"),
    "hq": ("总部通道密钥", "ключ канала HQ", "HQ's own lane"),
    "seal": ("封签密钥", "ключ печати", "seals"),
    "witness": ("见证密钥", "ключ свидетеля", "witness"),
}

FIELDS: Final[Words] = {
    "title": ("标题", "название", "title"),
    "title_en": ("英文标题", "название (англ.)", "title in English"),
    "language": ("语言", "язык", "language"),
    "kind": ("类型", "вид", "kind"),
    "payment": ("付款方式", "порядок оплаты", "payment"),
    "amount": ("金额", "сумма", "amount"),
    "currency": ("币种", "валюта", "currency"),
    "rate": ("汇率", "курс", "exchange rate"),
    "rate_currency": ("折算币种", "валюта пересчёта", "converted into"),
    "rate_on": ("汇率日期", "дата курса", "rate of"),
    "registration_number": ("登记号", "регистрационный номер", "registration number"),
    "offer": ("供给", "предложение", "offer"),
    "request": ("需求", "запрос", "request"),
    "partner": ("合作伙伴", "партнёр", "partner"),
    "counterpart_center": ("对方中心", "центр второй стороны", "counterpart's center"),
    "signed_on": ("签署日期", "дата подписания", "signed on"),
    "closed_on": ("完成日期", "дата завершения", "closed on"),
    "reason": ("原因", "причина", "reason"),
    "effective_on": ("生效日期", "дата вступления в силу", "effective on"),
    "deal": ("交易", "сделка", "deal"),
    "note": ("说明", "примечание", "note"),
    "summary": ("摘要", "краткое описание", "summary"),
    "description": ("描述", "описание", "description"),
    "technology_keywords": ("技术关键词", "ключевые слова: технология", "technology keywords"),
    "market_keywords": ("市场关键词", "ключевые слова: рынок", "market keywords"),
    "countries": ("国家", "страны", "countries"),
    "zone": ("区域", "зона", "zone"),
    "published_on": ("发布日期", "дата публикации", "published on"),
    "expires_on": ("到期日期", "действует до", "expires on"),
    "export_control": ("出口管制", "экспортный контроль", "export control"),
    "export_licence": ("出口许可证", "экспортная лицензия", "export licence"),
    "advantages": ("优势", "преимущества", "advantages"),
    "partner_role": ("对伙伴的要求", "роль партнёра", "partner's role"),
    "partnership_kinds": ("合作方式", "виды сотрудничества", "kinds of partnership"),
    "stage": ("开发阶段", "стадия", "stage"),
    "trl": ("技术成熟度", "уровень готовности (TRL)", "readiness (TRL)"),
    "trl_min": ("最低技术成熟度", "минимальный TRL", "least readiness (TRL)"),
    "ip_status": ("知识产权状态", "статус ИС", "status of rights"),
    "ip_number": ("知识产权编号", "номер ИС", "number of the right"),
    "ip_office": ("受理局", "ведомство ИС", "office"),
    "ip_expires_on": ("权利到期日", "права действуют до", "right expires on"),
    "ipc": ("国际专利分类", "МПК", "patent classes"),
    "expected_solution": ("期望方案", "ожидаемое решение", "expected solution"),
    "budget": ("预算", "бюджет", "budget"),
    "budget_currency": ("预算币种", "валюта бюджета", "budget's currency"),
    "name": ("名称", "наименование", "name"),
    "name_latin": ("拉丁文名称", "наименование латиницей", "name in Latin script"),
    "name_language": ("名称语言", "язык наименования", "language of the name"),
    "country": ("国家", "страна", "country"),
    "city": ("城市", "город", "city"),
    "lei": ("法人识别编码", "код LEI", "LEI"),
    "size": ("规模", "размер", "size"),
    "founded_year": ("成立年份", "год основания", "founded in"),
    "website": ("网站", "сайт", "website"),
    "industries": ("行业", "отрасли", "industries"),
    "partner_since": ("合作起始日", "партнёр с", "partner since"),
    "contact": ("联系人", "контактное лицо", "contact"),
    "direction": ("方向", "направление", "direction"),
    "languages": ("语言", "языки", "languages"),
    "timezone": ("时区", "часовой пояс", "time zone"),
    "streams": ("可报送类别", "разрешённые потоки", "allowed streams"),
    "keys": ("密钥", "ключи", "keys"),
    "origin": ("通道标识", "идентификатор канала", "origin"),
    "previous_origin": ("前一通道", "предыдущий канал", "previous lane"),
    "previous_size": ("前一通道大小", "размер предыдущего канала", "size of the previous lane"),
    "previous_root": ("前一通道根哈希", "корень предыдущего канала", "root of the previous lane"),
}


def word(words: Words, name: str, language: str) -> str:
    """Return what `name` is called; itself where there is no word for it."""
    found = words.get(name)
    return found[LANGUAGES.index(language)] if found else name


def status_word(stream: str, status: str, language: str) -> str:
    """Return how the status of an entity of `stream` is said."""
    name = f"{stream}.{status}"
    return word(STATUSES, name if name in STATUSES else status, language)


def event_word(event_type: str, language: str) -> str:
    """Return what a CloudEvents type such as `net.cohub.deal.signed.v1` is called."""
    name = event_type.removeprefix("net.cohub.").rpartition(".")[0]
    return word(EVENTS, name, language) if name in EVENTS else event_type
