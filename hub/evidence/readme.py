"""README of a bundle, in zh, ru and en: what it is, how it is checked, what a finding means."""

from __future__ import annotations

from typing import Final

from hub.evidence.layout import READMES

_EN: Final = """\
WHAT THIS IS
This file is a bundle of evidence from a cohub network: what one or more centers said, exactly as they
sealed it, what the headquarters (HQ) received and decided, and the proofs that neither was altered
since. It stands alone: it can be checked years later, without the network, by anybody who has HQ's
root key.

HOW TO READ IT
Open summary.html in a browser, or print it. It is only a reading aid: what counts is the check.

HOW TO CHECK IT
1. Get HQ's root key by a way of its own (paper, telephone), not from this bundle. It looks like
       hub.example/root+1a2b3c4d+AbC...
2. Install cohub (a Python package) on any computer; it may be offline.
3. Run
       hub audit check BUNDLE.zip --root "hub.example/root+1a2b3c4d+AbC..." --html result.html
   With exit status 0 every check holds. result.html is the summary with the result in it.

WITHOUT OUR SOFTWARE
Everything uses public formats. `sha256sum -c SHA256SUMS` compares the files. Notes (*.note) are C2SP
signed notes, *.tlog-proof are C2SP tlog-proofs, trees are those of RFC 6962, entities are RFC 8785
JSON whose SHA-256 is the entity's digest. An event's digest is SHA-256 of a zero byte followed by its
file. The bytes are described in the network's protocol document (schemas/PROTOCOL.md).

WHAT IS INSIDE
manifest.json     what is there and why, what is proved, what is only claimed
trust.note        HQ's keys, signed by its root key
lanes/            per center and receipt: seals, receipts, events, proofs; HQ's own lane is there whole
log/              HQ's log, signed by HQ and cosigned by witnesses
schemas/          how the events are written
state/            the entities before and after

WHAT A FINDING MEANS
error     something is not as it must be. Do not rely on the bundle; ask for a new one, keep this one.
pending   HQ's log or its witnesses had not caught up when the bundle was made. A bundle made a few
          minutes later should have it. What is sealed and receipted is proved already.
warning   worth knowing; it takes nothing from what is proved.
Each finding names its check, file, lane and sequence:
container, files   the zip is damaged, or a file was changed, added or taken away
trust              the keys are not signed by the root key that you gave: wrong hub, or a forgery
receipts, seals    a signature of HQ or of a center is not good, or its key was not good at that time
inclusion          an event is not one that its center sealed
hq_lane, schemas   part of HQ's own record of keys, schemas and rules is missing, or is not HQ's
verdicts           HQ decided otherwise than its published rules
state              the final state does not follow from the events
complete           something is left out of the range of time
log, checkpoint    HQ's receipt is not in its log, or the log is not signed as it must be
witnesses          too few centers have seen this state of the log
manifest, summary  what is written for readers does not agree with the evidence

WHAT IT DOES NOT PROVE
That an event happened when its center says (only when HQ recorded it); that a record is true outside
the network; who held a key; that HQ's own lane has nothing newer than what is here. A bundle about
one entity or deal does not prove that there are no further events of it. manifest.json lists this
under "claimed".
"""

_RU: Final = """\
ЧТО ЭТО
Этот файл - пакет доказательств из сети cohub: что сообщил один или несколько центров, в точности как
они это запечатали; что получила и решила штаб-квартира (HQ); и доказательства того, что с тех пор
ничего не изменено. Пакет самодостаточен: его и через годы может проверить без сети любой, у кого есть
корневой ключ штаб-квартиры.

КАК ЧИТАТЬ
Откройте summary.html в браузере или распечатайте. Это лишь помощь при чтении: доказывает проверка.

КАК ПРОВЕРИТЬ
1. Получите корневой ключ штаб-квартиры отдельным путём (на бумаге, по телефону), не из пакета. Вид:
       hub.example/root+1a2b3c4d+AbC...
2. Установите cohub (пакет Python) на любой компьютер; сеть не нужна.
3. Выполните
       hub audit check BUNDLE.zip --root "hub.example/root+1a2b3c4d+AbC..." --html result.html
   Код завершения 0 значит, что все проверки сошлись. result.html - сводка с результатом.

БЕЗ НАШЕЙ ПРОГРАММЫ
Все форматы открыты. `sha256sum -c SHA256SUMS` сверяет файлы. *.note - подписанные записки C2SP,
*.tlog-proof - доказательства C2SP, деревья - по RFC 6962, записи - JSON по RFC 8785, SHA-256 файла и
есть хеш записи. Хеш события - SHA-256 от нулевого байта и файла события. Подробности - в описании
протокола сети (schemas/PROTOCOL.md).

ЧТО ВНУТРИ
manifest.json     что есть и почему, что доказано, что лишь утверждается
trust.note        ключи штаб-квартиры, подписанные корневым ключом
lanes/            по центрам и квитанциям: печати, квитанции, события, доказательства;
                  собственный канал штаб-квартиры приведён целиком
log/              журнал штаб-квартиры с её подписями и подписями свидетелей
schemas/          как записаны события
state/            записи до и после

ЧТО ЗНАЧИТ ЗАМЕЧАНИЕ
error     что-то не так, как должно быть. Не полагайтесь на пакет; запросите новый, этот сохраните.
pending   журнал или свидетели отставали, когда пакет создавался. В пакете, созданном через несколько
          минут, это должно быть. Запечатанное и подтверждённое квитанцией уже доказано.
warning   следует знать; доказанного не умаляет.
У каждого замечания указаны проверка, файл, канал и номер:
container, files   архив повреждён, либо файл изменён, добавлен или изъят
trust              ключи не подписаны данным корневым ключом: другая сеть или подделка
receipts, seals    подпись штаб-квартиры или центра неверна, либо ключ тогда не действовал
inclusion          событие не из тех, что запечатал центр
hq_lane, schemas   часть записей штаб-квартиры о ключах, схемах и правилах отсутствует или не её
verdicts           решение штаб-квартиры расходится с её правилами
state              итоговое состояние не следует из событий
complete           в периоде что-то пропущено
log, checkpoint    квитанции нет в журнале, либо журнал подписан не так, как должно
witnesses          слишком мало центров видели это состояние журнала
manifest, summary  написанное для читателя расходится с доказательствами

ЧЕГО ПАКЕТ НЕ ДОКАЗЫВАЕТ
Что событие произошло тогда, когда говорит центр (лишь когда его записала штаб-квартира); что запись
верна вне сети; кто пользовался ключом; что в канале штаб-квартиры нет ничего новее приведённого.
Пакет об одной записи или сделке не доказывает, что других событий у неё нет. В manifest.json это
перечислено под "claimed".
"""

_ZH: Final = """\
这是什么
本文件是 cohub 网络的证据包：一个或多个中心所报送的内容（与其封签时逐字节相同）、总部收到并作出的裁定，
以及此后未被改动的证明。证据包自成一体：任何持有总部根密钥的人，多年以后也可以不依赖网络进行核验。

如何阅读
用浏览器打开 summary.html，或将其打印。它只是阅读辅助，起证明作用的是核验。

如何核验
1. 通过其他途径（书面、电话）取得总部根密钥，不要取自本证据包。形式如下：
       hub.example/root+1a2b3c4d+AbC...
2. 在任意一台计算机上安装 cohub（Python 软件包），可以离线。
3. 运行
       hub audit check BUNDLE.zip --root "hub.example/root+1a2b3c4d+AbC..." --html result.html
   退出状态为 0 表示全部成立。result.html 是带有核验结果的摘要。

不使用本软件
所有格式均为公开格式。`sha256sum -c SHA256SUMS` 核对各文件。*.note 是 C2SP 签名便笺，*.tlog-proof 是
C2SP 日志证明，哈希树依 RFC 6962，记录为 RFC 8785 JSON，文件的 SHA-256 即记录的摘要值。事件的摘要值
是一个零字节加事件文件的 SHA-256。详见网络协议文件（schemas/PROTOCOL.md）。

内容
manifest.json     有什么、为何收录、证明了什么、哪些只是陈述
trust.note        总部密钥，由根密钥签署
lanes/            按中心和回执排列：封签、回执、事件、证明；总部自身的通道全部在内
log/              总部日志，有总部签名和见证签名
schemas/          事件的编写格式
state/            之前与之后的记录

发现的问题是什么意思
error     有不应有的情况。不要依赖此证据包；请索取新的，并保留本包。
pending   生成时日志或见证尚未跟上。几分钟后生成的证据包应当齐全。已封签并有回执的内容已经得到证明。
warning   值得注意，不影响已证明的内容。
每个问题都指明核验项目、文件、通道和序号：
container, files   压缩包损坏，或文件被改动、添加、取走
trust              密钥不是由所给根密钥签署：不是同一网络，或系伪造
receipts, seals    总部或中心的签名无效，或密钥当时无效
inclusion          事件不是该中心所封签的
hq_lane, schemas   总部关于密钥、数据模式和规则的记录缺失，或并非总部所有
verdicts           总部裁定与其公布的规则不符
state              最终状态不能由事件推出
complete           时间段内有遗漏
log, checkpoint    回执不在日志中，或日志签名不符合要求
witnesses          见过此日志状态的中心不足
manifest, summary  供阅读的内容与证据不一致

不能证明什么
事件确实发生在中心所述的时间（只能证明总部何时记录）；记录在网络之外属实；由谁使用密钥；总部通道没有
更新的内容。关于一条记录或一笔交易的证据包不能证明没有其他事件。manifest.json 的 "claimed" 一项列明了
这些。
"""


def readmes() -> dict[str, bytes]:
    """Return the README files by path."""
    return {READMES["en"]: _EN.encode(), READMES["ru"]: _RU.encode(), READMES["zh"]: _ZH.encode()}
