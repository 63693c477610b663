"""Words that rows have which are no data: totals, units and kinds of columns, in the languages of the network."""

from __future__ import annotations

from typing import Final

_TOTALS: Final = """
итого, всего, итог, итоги, общий итог, промежуточный итог, общая сумма, сумма итого, в итоге, разом, усього,
підсумок, барлығы, жиыны, жалпы жиыны, қорытынды, жыйынтыгы, жыйынтык, бардыгы, баары, жалпы, жами, жамъи,
ҳаммаси, ҳамагӣ, ҳамаги, ҷамъ, jami, jamiʼ, hammasi, umumiy, cəmi, yekun, toplam, genel toplam, ara toplam,
total, totals, grand total, subtotal, sub-total, sub total, sum, summe, gesamt, gesamtsumme, zwischensumme,
insgesamt, total général, sous-total, 合计, 总计, 小计, 共计, 总和, 累计, 合計, 總計, 小計, 計, 계, 합계, 소계,
총계, جمع, جمع کل, کل, مجموع, مجموعه, میزان, کل میزان, ٹوٹل, المجموع, الإجمالي, إجمالي, نийт, нийт, дүн
"""
_UNITS: Final = """
$, %, *, -, bool, boolean, cny, date, day, dd.mm.yyyy, decimal, dona, eur, float, g, h, ha, hour, int, integer,
kg, kgs, kzt, l, m, m2, m3, mandatory, no, number, optional, pc, pcs, required, required*, rmb, rub, so'm,
string, t, ta, text, tjs, usd, uzs, varchar, year, yyyy-mm-dd, г, га, год, дата, дд.мм.гггг, дн, ед, ед. изм,
изм, кг, км, л, лет, м, м2, м3, мг, мес, мл, млн, млн. руб, млн. сум, мм, необяз, необязательно, обяз,
обязательно, обязательное, п/п, руб, см, сом, сомони, строка, строковый, сум, сут, т, тг, текст, тенге, тыс,
тыс. руб, тыс. сум, тыс. тенге, целое, ч, час, число, числовой, шт, –, —, €, №, 万元, 个, 亿元, 件, 元, 公斤,
千克, 单位, 台, 吨, 天, 套, 字符, 平方米, 年, 序号, 必填, 数字, 文本, 日, 日期, 月, 米, 美元, 选填
"""


def _split(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


TOTALS: Final = _split(_TOTALS)
UNITS: Final = frozenset(_split(_UNITS))
# What may be a name just as well, if more stands behind it: Total Energies, Sum Technologies.
ALSO_NAMES: Final = frozenset(
    ("total", "sum", "jami", "toplam", "umumiy", "жалпы", "کل", "میزان", "مجموعه", "计", "計", "계")
)
