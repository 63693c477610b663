"""Minsk: a Chinese-run office in an industrial park; Chinese sheets in GB18030 without a mark, as WPS saves them."""

from __future__ import annotations

from pathlib import Path

from recipe.network import Network, iso
from recipe.sheets import Sheet

_KINDS = {
    "licence": "技术许可",
    "service": "技术服务",
    "development": "技术开发",
    "transfer": "技术转让",
    "consulting": "技术咨询",
    "joint_venture": "合资",
    "equity": "股权",
}
_PAYMENTS = {
    "lump_sum_once": "一次总付",
    "lump_sum_instalments": "分期支付",
    "royalty": "提成支付",
    "royalty_entry_fee": "提成附加入门费",
}
_STATUSES = {"opened": "洽谈中", "signed": "已签约", "closed": "已完成", "terminated": "已终止"}


def make(network: Network, folder: Path) -> list[Sheet]:
    """Write Minsk's files and return them with their fates."""
    return [_offers(network, folder), _partners(network, folder), _deals(network, folder), _words(network, folder)]


def _offers(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("technologies.csv", ["序号", "专利名称", "IPC部", "出口管制", "许可证号", "状态"])
    for number, (title, sections) in enumerate(network.sources.zh, 1):
        control, licence = ("限制类", f"CN-{number}") if number % 250 == 0 else ("自由类", "")
        sheet.add([number, title, sections, control, licence, "已撤回" if number % 97 == 0 else "已发布"])
        if number % 500 == 0:
            sheet.blank()
    tail = ["自由类", "", "已发布"]
    sheet.add(["", "一种无人机巡检装置", "G", *tail], "refused", "NO_KEY")
    sheet.add([9001, "一种量子加密通信模块", "H", "禁止类", "", "已发布"], "refused", "EXPORT_CONTROLLED")
    sheet.add([9002, "一种稀土分离工艺", "C", "限制类", "", "已发布"], "refused", "EXPORT_CONTROLLED")
    sheet.add([9003, "一种桦木聚戊烯醇提取方法", "X", *tail], "refused", "BAD_IPC")
    sheet.add([9004, "", "B", *tail], "refused", "MISSING_FIELD")
    sheet.add([9005, "一种智能温室" * 50, "A", *tail], "refused", "TOO_LONG")
    sheet.add([9006, "一种可降解地膜", "A", "自由类", "", "审核中"], "refused", "NOT_IN_TABLE")
    sheet.write_csv(folder, "gb18030")
    return sheet


def _partners(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("partners.xlsx", ["编号", "名称", "国家", "类别", "LEI", "签约"])
    for number, (name, country, kind) in enumerate(network.organisations("BY"), 1):
        sheet.add([f"H-{number}", name, country, kind, None, "是" if number % 3 == 0 else "否"])
    for number, row in enumerate(network.companies("BY", "CN"), 1):
        sheet.add([f"Q-{number}", row["legal_name"], row["country"], row["category"], row["lei"], "否"])
    sheet.add(["Q-901", "中白工业园物流有限公司", "中国", "GENERAL", None, "是"], "refused", "UNKNOWN_CODE")
    sheet.add(["Q-902", "明斯克农机服务公司", "BY", "GENERAL", None, "待定"], "refused", "NOT_IN_TABLE")
    sheet.write_xlsx(folder, "中白工业园合作单位")
    return sheet


def _deals(network: Network, folder: Path) -> Sheet:
    header = [
        "合同编号",
        "合同名称",
        "类型",
        "支付方式",
        "金额",
        "币种",
        "对方中心",
        "报告日期",
        "签订日期",
        "完成日期",
    ]
    sheet = Sheet("contracts.csv", [*header, "状态"])
    titles = network.sources.zh
    for number, deal in enumerate(network.deals("by")):
        cells = [
            deal.number,
            f"{_KINDS[deal.kind]}：{titles[number * 41 + 3][0]}",
            _KINDS[deal.kind],
            _PAYMENTS[deal.payment],
        ]
        cells += [str(deal.amount), deal.currency, deal.counterpart, iso(deal.reported_on)]
        sheet.add([*cells, iso(deal.signed_on), iso(deal.closed_on), _STATUSES[deal.status]])
    common = ["技术许可", "提成支付", "65000", "CNY"]
    late = ["2025-06-03", "2025-06-02", "2025-01-02", "已完成"]
    sheet.add(["2025/901", "技术许可：泥炭成型", *common, "kz", *late], "refused", "INCONSISTENT")
    tail = ["2025-06-03", "2025-06-02", "", "已签约"]
    sheet.add(["2025/902", "技术许可：拖拉机导航", *common, "cn", *tail], "rejected", "UNKNOWN_CENTER")
    sheet.write_csv(folder, "gb18030")
    return sheet


def _words(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("confirmations.csv", ["编号", "对方中心", "对方合同", "意见", "金额", "币种"])
    for word in network.confirmations("by"):
        answer = "确认" if word.verdict == "given" else "有异议"
        sheet.add([word.number, word.deal_center, word.deal_number, answer, str(word.amount), word.currency])
    sheet.write_csv(folder, "gb18030")
    return sheet
