"""What people write beside a number: a currency, or that it counts in thousands."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from connectors.mapping.plain import plain_text
from hub.domain.codes.currency import CURRENCIES


class Beside(NamedTuple):
    """What stands beside a number.

    Shapes: currencies are ISO 4217 codes, all that the sign may mean, empty without a sign; factor is what one stands
            for (10000 of 万), None without such a word.
    """

    currencies: frozenset[str]
    factor: Decimal | None


_DOLLARS: Final = (
    "USD AUD BBD BMD BND BSD BZD CAD FJD GYD HKD JMD KYD LRD NAD NZD SBD SGD SRD TTD TWD XCD MXN ARS CLP COP"
)
_RUPEES: Final = "INR PKR LKR NPR MUR SCR"
_CURRENCY_WORDS: Final = {
    _DOLLARS: "$ dollar dollars доллар доллара долларов долл дол долларах",
    "USD": "us$ usd$ $us долларсша долларасша долларовсша доллсша долсша usdollars usdollar 美元 美金 aqshdollari",
    "CAD": "ca$ c$",
    "AUD": "a$ au$",
    "HKD": "hk$ 港元 港币",
    "SGD": "s$ sg$",
    "NZD": "nz$",
    "TWD": "nt$",
    "EUR": "€ euro euros евро 欧元 yevro",
    "GBP": "£ pound pounds poundssterling фунт фунтов фунтовстерлингов 英镑",
    "CNY JPY": "¥",
    "CNY": "元 圆 人民币 人民币元 rmb yuan юань юаня юаней cn¥ 元人民币",
    "JPY": "円 日元 yen иен иены йен jp¥",
    "RUB": "₽ руб рубль рубля рублей р rub российскихрублей росруб 卢布 rubl",
    "KZT": "₸ тенге тг теңге tenge 坚戈",
    "UZS": "сум сумов сума сўм so'm som sum soum 苏姆",
    "KGS": "сом сома сомов ⃀ 索姆",
    "TJS": "сомони смн сомонӣ somoni 索莫尼",
    "TMT": "манат маната манатов",
    "AZN": "₼",
    "BYN": "br белруб",
    "UAH": "₴ грн гривна гривны гривен",
    "INR": "₹",
    _RUPEES: "₨ rs re rupee rupees рупия рупий рупии روپے روپیہ 卢比",
    "KRW KPW": "₩ won вон",
    "TRY": "₺ tl",
    "ILS": "₪",
    "VND": "₫",
    "MNT": "₮",
    "GEL": "₾ лари",
    "AMD": "֏ драм",
    "SEK NOK DKK ISK": "kr",
    "CHF": "fr sfr",
    "AED": "dh dhs د.إ",
}
_FACTOR_WORDS: Final = {
    "0.01": "% percent процент процента процентов проц foiz cent cents цент цента центов центах коп копейка копейки "
    "копеек копейках тийин тийина тийинов тиын тиына tiyin tiyn пайса paisa",
    "0.001": "‰",
    "100": "百 сотни сотен сотнях hundreds",
    "1000": "千 仟 тыс тысяча тысячи тысяч тысячах thousand thousands thsd k ming минг мың миң ҳазор ہزار हज़ार 000s "
    "000",
    "10000": "万 萬",
    "100000": "lakh lakhs lac lacs لاکھ लाख лакх 十万",
    "1000000": "百万 million millions mln mio mn млн миллион миллиона миллионов миллионах million's",
    "10000000": "crore crores cr کروڑ करोड़ крор 千万",
    "100000000": "亿 億",
    "1000000000": "十亿 bn bln млрд миллиард миллиарда миллиардов mlrd milliard",
    "1000000000000": "万亿 трлн триллион триллионов trln",
}
_CURRENCY_OF: Final[dict[str, frozenset[str]]] = {code.casefold(): frozenset({code}) for code in CURRENCIES} | {
    word: frozenset(codes.split()) & frozenset(CURRENCIES)
    for codes, words in _CURRENCY_WORDS.items()
    for word in words.split()
}
_FACTOR_OF: Final = {word: Decimal(factor) for factor, words in _FACTOR_WORDS.items() for word in words.split()}
_CHARS_MAX: Final = max(map(len, [*_CURRENCY_OF, *_FACTOR_OF]))
NOTHING_BESIDE: Final = Beside(frozenset(), None)
_FORMAT_TEXT: Final = re.compile(r'\[\$([^\]\-]*+)[^\]]*+\]|"([^"]*)"|([$€£¥₽₸₨₹₴₺₩元])')
_FILLING: Final = re.compile(r"[.\s]+")

# In a header, only what can't be part of another word: in brackets, at an end, or apart from its neighbours.
_HEADER_WORD: Final = re.compile(r"'?[^\W\d_]+(?:'[^\W\d_]+)*|'?000'?s?|[$€£¥₽₸₨₹₴₺₩%‰]")
# Beside a currency a letter counts: k$, KUSD, USDm, т. руб.
_COINS: Final = "[$€£¥₽₸₨₹₴₺]|usd|eur|gbp|chf|cny|rmb|rub|kzt|uzs|kgs|tjs|pkr|inr|byn"
_CYRILLIC_COINS: Final = r"руб\w*|долл\w*|дол|евро|тг|тенге|тнг|сум\w{0,2}|сом\w{0,3}|р\b|[$€₽₸]"
_SHORT_UNIT: Final = re.compile(
    rf"(?<![^\W_])(?:(?P<latin>k|m|mm|t|bn) ?(?:{_COINS})|(?P<cyrillic>[ткм])\.? ?(?:{_CYRILLIC_COINS})|(?P<both>тр)\b)"
    rf"|(?:{_COINS}) ?(?P<behind>k|m|mm|mn|bn)(?![^\W_])"
)
_SHORT_FACTORS: Final = {"k": 1000, "t": 1000, "m": 10**6, "mm": 10**6, "mn": 10**6, "bn": 10**9, "тр": 1000, "т": 1000,
                         "к": 1000, "м": 10**6}  # fmt: skip
_HAN_CENTS: Final = re.compile(r"(?:[(（\[]|单位[:：]?)分(?:$|[)）\]])")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]+")
_HAN_UNIT: Final = re.compile(
    r"(?:^|[(（\[【/、,:：\s]|单位)([十百千万亿萬億仟]+)(?:元|美元|美金|人民币|欧元|卢布|日元|港元)?(?:人民币)?(?:$|[)）\]】/、,\s])"
)
_HAN_TAIL: Final = re.compile(r"([百千万亿萬億仟]+)(?:元|美元|美金|人民币|欧元|卢布)$")


def read_beside(text: str) -> Beside | None:
    """Return what a plain text beside a number says, None if any of it is no unit or currency."""
    rest = _FILLING.sub("", text.casefold())
    if not rest:
        return NOTHING_BESIDE
    currencies: frozenset[str] = frozenset()
    factor: Decimal | None = None
    while rest:
        for length in range(min(len(rest), _CHARS_MAX), 0, -1):
            word = rest[:length]
            if word in _CURRENCY_OF and not currencies:
                currencies = _CURRENCY_OF[word]
            elif word in _FACTOR_OF and factor is None:
                factor = _FACTOR_OF[word]
            else:
                continue
            rest = rest[length:]
            break
        else:
            return None
    return Beside(currencies, factor)


def join_beside(before: Beside, after: Beside) -> Beside | None:
    """Return what both sides of a number say together, None if they contradict each other."""
    if before.factor is not None and after.factor is not None:
        return None
    factor = before.factor if after.factor is None else after.factor
    if before.currencies and after.currencies:
        both = before.currencies & after.currencies
        return Beside(both, factor) if both else None
    return Beside(before.currencies or after.currencies, factor)


def read_header(label: str) -> tuple[str, Beside]:
    """Return what a column's name says of all its numbers, and the word that says it, as in `Сумма, тыс. руб.`.

    A currency counts if it is the only one.
    """
    plain = plain_text(label.replace('"', " ")).casefold()  # quotation marks are those of a path
    factor: Decimal | None = None
    said = ""
    found = _HAN_UNIT.search(plain) or _HAN_TAIL.search(plain)
    if found and found[1] in _FACTOR_OF:
        factor, said = _FACTOR_OF[found[1]], found[1]
    if factor is None and (short := _SHORT_UNIT.search(plain.replace("_", " "))):
        said = next(filter(None, short.groups()))
        factor = Decimal(_SHORT_FACTORS[said])
    if factor is None and (cents := _HAN_CENTS.search(plain)):
        factor, said = _FACTOR_OF["%"], cents[0].strip("([（")
    currencies: set[frozenset[str]] = set()
    for word in _HEADER_WORD.findall(plain.replace("_", " ")):
        bare = word.strip("'") if word.strip("'").startswith("000") else word
        if factor is None and bare in _FACTOR_OF and (len(bare) > 1 or bare in "%‰"):
            factor, said = _FACTOR_OF[bare], word
        elif bare in _CURRENCY_OF and bare in _HEADER_CURRENCIES:
            currencies.add(_CURRENCY_OF[bare])
    currency = currencies.pop() if len(currencies) == 1 else frozenset()
    return said, Beside(currency, factor)


@lru_cache(maxsize=256)
def read_format(code: str) -> Beside:
    """Return what a display format writes beside a workbook's number: `#,##0.00" 万元"`, `#,##0.00 [$€-407]`."""
    said = " ".join(next(filter(None, parts), "") for parts in _FORMAT_TEXT.findall(code.split(";", maxsplit=1)[0]))
    beside = read_beside(plain_text(said))
    return read_header(said)[1] if beside is None else beside


# What is a common word besides, such as a code of ISO 4217 that is an English word, says nothing in a header.
_COMMON_WORDS: Final = (
    "all top try gel mop cup lak cad sum som р re rs br fr dh tl kr won дол sos ron mad pen bam ang cop ern сома сума "
    "вон драм фунт"
)
_HEADER_CURRENCIES: Final = frozenset(_CURRENCY_OF).difference(_COMMON_WORDS.split())
