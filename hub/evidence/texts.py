"""What the summary page says, in zh, ru and en. `{…}` are filled in; nothing here comes from a bundle."""

# ruff: noqa: E501 -- sentences in three languages, one line each, are easier to compare than wrapped ones

from __future__ import annotations

from typing import Final

from hub.evidence.report import Check
from hub.evidence.words import LANGUAGES

TEXTS: Final[dict[str, tuple[str, str, str]]] = {
    "page": ("证据摘要", "Сводка доказательств", "Summary of evidence"),
    "about_deal": (
        "关于交易 {id} 及其相关记录",
        "О сделке {id} и связанных записях",
        "About deal {id} and what belongs to it",
    ),
    "about_entity": ("关于{stream} {id}", "О записи: {stream} {id}", "About {stream} {id}"),
    "about_center": (
        "总部在 {since} 至 {until} 期间记录的中心 {id} 的全部事件",
        "Всё, что штаб-квартира записала от центра {id} с {since} по {until}",
        "What HQ recorded of center {id} from {since} to {until}",
    ),
    "hub": ("网络", "Сеть", "Network"),
    "known_as_of": ("日志检查点", "Контрольная точка журнала", "Checkpoint of HQ's log"),
    "no_log": (
        "证据包中没有总部日志检查点",
        "в пакете нет контрольной точки журнала",
        "the bundle has no checkpoint of HQ's log",
    ),
    "result": ("核验结果", "Результат проверки", "Result of the check"),
    "not_checked": (
        "本页与证据包一同生成，仅供阅读，本身不是证明。请用命令 <code>hub audit check</code> 与从其他途径核对过的总部根密钥核验证据包；该命令也会生成带有核验结果的页面。",
        "Эта страница создана вместе с пакетом, чтобы его можно было прочесть; сама она ничего не доказывает. Проверьте пакет командой <code>hub audit check</code> с корневым ключом штаб-квартиры, сверенным иным путём; она же создаёт страницу с результатом.",
        "This page was made together with the bundle so that it can be read; by itself it proves nothing. Check the bundle by <code>hub audit check</code> with HQ's root key, compared by another way; it also writes this page with the result.",
    ),
    "status_proved": ("全部成立", "Всё подтверждено", "All of it holds"),
    "status_pending": (
        "尚未被采信：有待见证或入日志",
        "Ещё не признано: нет свидетелей или записи в журнале",
        "Not yet believed: witnesses or log entries are missing",
    ),
    "status_failed": ("不成立：见下列问题", "Не подтверждено: см. замечания", "Does not hold: see the findings"),
    "root_used": ("核验所用的根密钥", "Проверено по корневому ключу", "Checked with the root key"),
    "check": ("核验项目", "Что проверено", "What was checked"),
    "outcome": ("结果", "Итог", "Outcome"),
    "count": ("数量", "Число", "Number"),
    "findings": ("发现的问题", "Замечания", "Findings"),
    "detail": ("说明", "Подробности", "Detail"),
    "where": ("位置", "Место", "Place"),
    "passed": ("成立", "верно", "holds"),
    "failed": ("不成立", "неверно", "does not hold"),
    "pending": ("未定", "ещё нет", "not yet"),
    "warning": ("注意", "внимание", "note"),
    "skipped": ("不适用", "не относится", "does not apply"),
    "short": ("概要", "Кратко", "In short"),
    "center": ("中心", "Центр", "Center"),
    "what": ("内容", "Что", "What"),
    "story": ("谁在何时说了什么", "Кто, когда и что сообщил", "Who said what, and when"),
    "said_by": ("报送中心", "Сообщил центр", "Said by center"),
    "happened": ("发生时间（中心所述）", "Произошло (по словам центра)", "Happened (the center's word)"),
    "recorded": ("总部记录时间", "Записано штаб-квартирой", "Recorded by HQ"),
    "sealed_with": ("封签密钥", "Запечатано ключом", "Sealed with key"),
    "place": ("通道与序号", "Канал и номер", "Lane and number"),
    "decided": ("总部裁定", "Решение штаб-квартиры", "HQ decided"),
    "accepted": ("接受", "принято", "accepted"),
    "rejected": ("拒绝", "отклонено", "rejected"),
    "status_after": ("此后状态", "Состояние после", "Status after"),
    "version": ("版本", "версия", "version"),
    "digest": ("摘要值", "Хеш", "Digest"),
    "value": ("内容", "Значение", "Value"),
    "field": ("项目", "Поле", "Field"),
    "was": ("原为", "было", "was"),
    "changed_only": ("（仅列出变化的项目）", "(показаны только изменения)", "(only what changed)"),
    "witness_event": (
        "此事件不在所选时间段内，仅用于说明之前的状态或通道的终点。",
        "Это событие вне выбранного периода; оно показывает состояние до него или конец канала.",
        "This event is outside the range; it shows the state before, or where a lane ended.",
    ),
    "not_judged": ("未重新裁定", "не судилось заново", "not judged again"),
    "more": (
        "另有 {count} 个事件未列出，均已包含在证据包中。",
        "Не показано событий: {count}; все они есть в пакете.",
        "Events not shown here: {count}; all are in the bundle.",
    ),
    "state": ("事件之后的状态", "Состояние после событий", "The state after the events"),
    "entity": ("记录", "Запись", "Record"),
    "why": ("收录原因", "Почему в пакете", "Why it is here"),
    "why_subject": ("证据包的对象", "предмет пакета", "what the bundle is about"),
    "why_confirmation": (
        "对方中心的确认",
        "подтверждение центра второй стороны",
        "confirmation by the counterpart's center",
    ),
    "why_confirmation_other": (
        "其他中心的确认（不是对方中心）",
        "подтверждение иного центра, не второй стороны",
        "confirmation by a center that is not the counterpart's",
    ),
    "why_referenced": (
        "被 {by} 的“{field}”引用",
        "указано в поле «{field}» записи {by}",
        "named by {by} as its {field}",
    ),
    "why_active": ("在所选时间段内有事件", "есть события в периоде", "has events in the range"),
    "why_none": ("与对象无关", "не относится к предмету", "has no part in this"),
    "unknown_to_hq": (
        "被引用但总部没有记录",
        "Упомянуто, но у штаб-квартиры об этом ничего нет",
        "Named, but HQ has nothing of it",
    ),
    "keys": ("密钥及其历史", "Ключи и их история", "Keys and their history"),
    "owner": ("持有者", "Владелец", "Owner"),
    "purpose": ("用途", "Назначение", "Use"),
    "key": ("密钥标识", "Ключ", "Key"),
    "since": ("生效", "С", "Since"),
    "until": ("失效", "До", "Until"),
    "from_root": ("由根密钥签署", "подписан корневым ключом", "signed by the root key"),
    "lost": ("前一密钥遗失", "прежний ключ утрачен", "the key before it was lost"),
    "log": ("总部日志与见证", "Журнал штаб-квартиры и свидетели", "HQ's log and its witnesses"),
    "log_size": ("日志大小", "Размер журнала", "Size of the log"),
    "log_root": ("根哈希", "Корневой хеш", "Root"),
    "log_signed": ("总部签署时间", "Подписано штаб-квартирой", "Signed by HQ"),
    "seen_by": ("已见证的中心", "Засвидетельствовали центры", "Witnessed by centers"),
    "of_active": (
        "{seen} / {active} 个有效中心",
        "действующих центров: {seen} из {active}",
        "active centers: {seen} of {active}",
    ),
    "nobody": ("无", "никто", "none"),
    "proves": ("能证明什么", "Что это доказывает", "What this proves"),
    "proves_list": (
        "每个事件由报送中心当时有效的密钥封签，此后未被改动。|总部在所述时间收到并裁定了这些事件；裁定可按公布的规则重新得出。|每份回执已进入总部的公开日志；上述见证中心已见过该日志，此后不能无痕改写。|总部自身的通道从第一个事件起完整，因此没有遗漏任何密钥、吊销、数据模式或代码表。|最终状态由所列事件推出。",
        "Каждое событие запечатано ключом центра, действовавшим в тот момент, и с тех пор не изменено.|Штаб-квартира получила события и приняла решения в указанное время; решения можно вывести заново по объявленным правилам.|Каждая квитанция есть в журнале штаб-квартиры; названные свидетели его видели, и незаметно переписать его нельзя.|Собственный канал штаб-квартиры приведён целиком с первого события: ни ключ, ни отзыв, ни схема, ни список кодов не пропущены.|Состояние в конце следует из приведённых событий.",
        "Every event was sealed by a key of its center that was good at that moment, and has not been altered since.|HQ received the events and decided them at the times given; the decisions follow again from the published rules.|Every receipt is in HQ's log; the witnesses named have seen that log, and it can't be rewritten unnoticed.|HQ's own lane is here whole from its first event: no key, revocation, schema or code list is left out.|The state at the end follows from the events given.",
    ),
    "proves_nothing": (
        "只要有一项核验不成立，就不能认为本证据包证明了任何事情。",
        "Пока хотя бы одна проверка не сошлась, ничто здесь нельзя считать доказанным.",
        "While a check does not hold, nothing here can be taken as proved.",
    ),
    "proves_log_later": (
        "（尚未证明：回执已进入总部日志并由过半中心见证。几分钟后重新导出的证据包应当包含。）",
        "(Пока не доказано: что квитанции есть в журнале, засвидетельствованном большинством центров. В пакете, созданном через несколько минут, это должно быть.)",
        "(Not proved yet: that the receipts are in HQ's log, witnessed by more than half of the centers. A bundle made a few minutes later should have it.)",
    ),
    "proves_not": ("不能证明什么", "Чего это не доказывает", "What this does not prove"),
    "proves_not_list": (
        "发生时间是中心自己的陈述；总部只能证明何时记录。|记录的内容在网络之外是否属实，是封签中心的陈述。|密钥由谁实际使用：密钥属于登记它的中心，而不是某个自然人。|总部自身的通道在此处所载大小之后没有新的内容。",
        "Время события — слова самого центра; доказано лишь, когда оно записано.|Соответствует ли запись действительности вне сети, утверждает запечатавший её центр.|Кто именно пользовался ключом: ключ принадлежит центру, а не человеку.|Что в собственном канале штаб-квартиры нет ничего новее приведённого здесь.",
        "When something happened is the center's own word; only when it was recorded is proved.|Whether a record is true outside this network is the word of the center that sealed it.|Who held the key: a key belongs to the center that enrolled it, not to a person.|That HQ's own lane has nothing newer than what is here.",
    ),
    "proves_not_entity": (
        "该记录没有其他事件：同一通道的其他事件在此只以哈希值出现。",
        "Что у записи нет других событий: прочие события канала представлены лишь хешами.",
        "That a record has no further events: other events of the same lane stand here as hashes alone.",
    ),
    "proves_not_center": (
        "时间段之前的版本号，以及该中心没有其他通道，是总部的陈述。",
        "Номер версии до периода и отсутствие у центра других каналов — слова штаб-квартиры.",
        "The version numbers before the range, and that the center had no further lanes, are HQ's word.",
    ),
    "sealed": (
        "（已加密：仅 {center} 能读）",
        "(зашифровано: прочесть может только {center})",
        "(sealed: only {center} can read it)",
    ),
    "erased": ("（已删除）", "(удалено)", "(erased)"),
    "made_by": ("由 {software} 生成", "Создано программой {software}", "Made by {software}"),
}

CHECKS: Final[dict[Check, tuple[str, str, str]]] = {
    Check.CONTAINER: (
        "文件包完整、安全，可以读取",
        "Пакет цел, безопасен и читается",
        "The file is one whole, safe zip",
    ),
    Check.FILES: ("每个文件与清单一致", "Каждый файл соответствует списку", "Every file is as listed"),
    Check.TRUST: (
        "总部密钥由根密钥签署",
        "Ключи штаб-квартиры подписаны корневым ключом",
        "HQ's keys are signed by the root key",
    ),
    Check.RECEIPTS: ("回执由总部签署", "Квитанции подписаны штаб-квартирой", "Receipts are signed by HQ"),
    Check.SEALS: (
        "封签出自当时有效的中心密钥",
        "Печати сделаны действовавшими ключами центров",
        "Seals are by keys of the centers that were good then",
    ),
    Check.INCLUSION: (
        "每个事件都在被封签的通道中",
        "Каждое событие есть в запечатанном канале",
        "Each event is in the sealed lane",
    ),
    Check.HQ_LANE: ("总部通道完整", "Канал штаб-квартиры приведён целиком", "HQ's own lane is whole"),
    Check.SCHEMAS: (
        "数据模式为总部公布者",
        "Схемы — те, что объявила штаб-квартира",
        "Schemas are those that HQ announced",
    ),
    Check.VERDICTS: (
        "重新裁定结果与总部一致",
        "Повторное суждение даёт те же решения",
        "Judged again, the verdicts are the same",
    ),
    Check.STATE: ("状态由事件推出", "Состояние следует из событий", "The state follows from the events"),
    Check.COMPLETE: ("时间段内没有遗漏", "В периоде ничего не пропущено", "Nothing is left out of the range"),
    Check.LOG: ("回执已在总部日志中", "Квитанции есть в журнале", "Receipts are in HQ's log"),
    Check.CHECKPOINT: (
        "日志由总部两把密钥签署",
        "Журнал подписан двумя ключами штаб-квартиры",
        "The log is signed by both of HQ's keys",
    ),
    Check.WITNESSES: (
        "过半中心见证了日志",
        "Журнал засвидетельствован большинством центров",
        "More than half of the centers witnessed the log",
    ),
    Check.MANIFEST: ("目录与内容一致", "Оглавление соответствует содержимому", "The manifest says what is there"),
    Check.SUMMARY: (
        "阅读页与证据一致",
        "Страница для чтения соответствует доказательствам",
        "The page for readers is what the evidence gives",
    ),
}


def say(name: str, language: str, **values: object) -> str:
    """Return a text with its values filled in; what is filled in must be escaped already."""
    return TEXTS[name][LANGUAGES.index(language)].format(**values)


def check_text(check: Check, language: str) -> str:
    """Return what a check is about."""
    return CHECKS[check][LANGUAGES.index(language)]
