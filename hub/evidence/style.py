"""How the summary page looks: one page for the screen, A4 on paper, no script and nothing fetched."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{--ink:#1b1f24;--soft:#5b6570;--line:#d5dbe1;--wash:#f5f7f9;--good:#14693a;--bad:#a4161a;--wait:#8a5a00;
--accent:#1d4e89}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);
font:15px/1.5 "Source Sans 3","Noto Sans","Segoe UI","Helvetica Neue",
Arial,"Noto Sans CJK SC","Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif}
main{max-width:960px;margin:0 auto;padding:20px 24px 60px}
input[name=language]{position:absolute;opacity:0}
.tabs{display:flex;gap:6px;justify-content:flex-end;margin-bottom:4px}
.tabs label{padding:3px 12px;border:1px solid var(--line);border-radius:14px;cursor:pointer;color:var(--soft)}
article{display:none}
#zh:checked~.tabs label[for=zh],#ru:checked~.tabs label[for=ru],#en:checked~.tabs label[for=en]
{background:var(--accent);border-color:var(--accent);color:#fff}
#zh:checked~article.zh,#ru:checked~article.ru,#en:checked~article.en{display:block}
input[name=language]:focus-visible~.tabs{outline:2px solid var(--accent);outline-offset:3px}
h1{font-size:27px;line-height:1.25;margin:0 0 2px}
h2{font-size:18px;margin:30px 0 10px;padding-bottom:4px;border-bottom:2px solid var(--ink);break-after:avoid}
.about{font-size:17px;color:var(--soft);margin:0 0 16px;overflow-wrap:anywhere}
code,.mono{font-family:"DejaVu Sans Mono",Consolas,Menlo,monospace;font-size:.85em;overflow-wrap:anywhere}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}
dl.facts dt{color:var(--soft)}dl.facts dd{margin:0;overflow-wrap:anywhere}
.box{border:1px solid var(--line);border-left:6px solid var(--soft);border-radius:4px;background:var(--wash);
padding:12px 16px;margin:14px 0}
.box.proved{border-left-color:var(--good)}.box.failed{border-left-color:var(--bad)}.box.pending,.box.newer{
border-left-color:var(--wait)}
.box strong{font-size:19px}.box.proved strong{color:var(--good)}.box.failed strong{color:var(--bad)}
.box.pending strong,.box.newer strong{color:var(--wait)}
table{border-collapse:collapse;width:100%;margin:6px 0;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:4px 8px;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600;border-bottom:1px solid var(--soft)}
td.text{white-space:pre-wrap}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;
white-space:nowrap}
td.name{width:30%;color:var(--soft)}
tr{break-inside:avoid}
.chip{display:inline-block;padding:0 9px;border-radius:10px;border:1px solid currentColor;font-size:13px;
white-space:nowrap}
.passed,.accepted{color:var(--good)}.failed,.rejected{color:var(--bad)}.pending,.newer,
.warning{color:var(--wait)}
.skipped{color:var(--soft)}
.event{border:1px solid var(--line);border-radius:5px;margin:12px 0;padding:10px 14px}
.event header{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin-bottom:6px;break-after:avoid}
.event header b{font-size:16px}.event header .to{margin-left:auto}
.event .number{color:var(--soft);font-variant-numeric:tabular-nums}
.was{color:var(--soft);text-decoration:line-through}
.small{color:var(--soft);font-size:13px}
.box.failed,.box.pending,.box.newer{color:var(--ink)}
p.small{margin:8px 0 2px}
th{word-break:keep-all;overflow-wrap:normal}
ul{margin:6px 0;padding-left:22px}
footer{margin-top:34px;padding-top:8px;border-top:1px solid var(--line);color:var(--soft);font-size:13px;
overflow-wrap:anywhere}
@page{size:A4;margin:16mm 15mm 18mm}
@media print{body{font-size:10.5pt}main{padding:0;max-width:none}.tabs{display:none}.event{break-inside:auto}
table{font-size:9.5pt}.box{background:none}}
@media(max-width:640px){main{padding:12px}dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:6px}}
"""
