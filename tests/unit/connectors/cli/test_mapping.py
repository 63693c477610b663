"""`connector mapping propose`: shown, written, asked; an office that knows Excel alone writes no YAML."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml
from openpyxl import Workbook

from connectors.cli.main import run_command
from connectors.mapping import outcomes, read_mapping
from connectors.mapping.compiled import OpenQuestions, compile_mapping
from connectors.mapping.person import Instead, PersonField, PersonSaid
from connectors.source import load
from hub.protocol.errors import UsageError
from schemas.words import LANGUAGES
from tests.support.terminal import here, lines_at

SETTINGS = "hub: hub.example\ncenter: uz\nbootstrap: ['127.0.0.1:1']\nlanguage: ru\n"
OFFERS = """\
Код;Название;Экспортный контроль;Статус
T-1;Солнечный насос;не ограничен;Активен
T-2;Сортировщик;не ограничен;отозвано
"""


@pytest.fixture
def office(tmp_path: Path) -> Path:
    (tmp_path / "connector.yaml").write_text(SETTINGS, "utf-8")
    (tmp_path / "предложения.csv").write_text(OFFERS, "utf-8")
    return tmp_path


def workbook(path: Path) -> None:
    """Write what an office has: title rows, a header of two rows, a row of sums, persons, numbers such as 007."""
    book = Workbook()
    partners, offers = book.worksheets[0], book.create_sheet("Предложения")
    partners.title = "Партнёры"
    partners["A1"] = "Реестр партнёров центра на 01.06.2026"
    partners.merge_cells("A1:J1")
    partners["A2"] = "Отдел международного сотрудничества"
    upper = ("№ п/п", "Код", "Организация", "Страна", "Вид", "Контактное лицо", None, None, "Состояние", "Партнёр с")
    for column, name in enumerate(upper, 1):
        partners.cell(4, column, name)
    for column, name in zip((6, 7, 8), ("ФИО", "Телефон", "Эл. почта"), strict=True):
        partners.cell(5, column, name)
    partners.merge_cells("F4:H4")
    for letter in "ABCDEIJ":
        partners.merge_cells(f"{letter}4:{letter}5")
    rows = (
        ("007", "ООО «Насосы»", "Узбекистан", "предприятие", "Каримова Нигора", "+998 71 123 45 67", "nk@example.uz",
         "Зарегистрирован", date(2025, 3, 1)),
        ("008", "ТашГТУ", "Узбекистан", "университет", "Алиев Б.", "+998 90 111 22 33", "ba@tdtu.uz", "Подписан",
         date(2025, 4, 2)),
        ("015", "Институт физики", "Казахстан", "НИИ", "Иванов И.", "+7 701 222 33 44", "ii@kz.kz", "Завершено",
         date(2024, 1, 12)),
    )  # fmt: skip
    for number, row in enumerate(rows, 1):
        partners.append([number, *row])
    partners.append(["Итого", None, "3 партнёра"])
    offers.append(["Предложения технологий"])
    offers.append([])
    offers.append(["№", "Название", "Экспортный контроль", "УГТ", "Код партнёра", "Дата публикации", "Статус"])
    offers.append(["T-01", "Солнечный насос", "не ограничен", 6, "007", date(2026, 1, 15), "Активен"])
    offers.append(["T-02", "Сортировщик", "не ограничен", 7, "008", date(2026, 2, 15), "снято"])
    book.create_sheet("Справка")["A1"] = "просто текст"
    book.save(path)


def propose(office: Path, *options: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, with what they type."""
    return here(run_command, ["mapping", "propose", *options, "--office", str(office)], typed)


def propose_apart(office: Path, *options: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own."""
    command = [sys.executable, "-m", "connectors.cli.main", "mapping", "propose", *options, "--office", str(office)]
    environment = {"PYTHONUTF8": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, check=False, env=environment, timeout=60
    )


def seal(place: PersonField, person: PersonSaid) -> Instead:
    return Instead(None)


def test_office_that_only_knows_excel_answers_five_questions_for_two_worksheets(office: Path) -> None:
    """From a workbook of its own to mappings that read its rows; the worksheet without a table is passed over."""
    workbook(office / "реестр.xlsx")
    # that the row of sums is no data, what НИИ means, nothing else of the sheet
    # of the other: the language of the texts, what Активен means
    done = propose_apart(office, "реестр.xlsx", "--ask", typed="\n2\n\n1\n1\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("что значит") == 2
    assert "Справка" in done.stdout
    partners = read_mapping((office / "mappings" / "реестр.yaml").read_text("utf-8"), "реестр.yaml")
    offers = read_mapping((office / "mappings" / "реестр-2.yaml").read_text("utf-8"), "реестр-2.yaml")
    assert (partners.stream, offers.stream) == ("partner", "offer")
    assert (partners.format.sheet, offers.format.sheet) == ("Партнёры", "Предложения")

    found = outcomes(partners, load(office / "реестр.xlsx", partners.format_options()), "uz", seal)
    good = [row.wanted for row in found if row.wanted is not None]
    assert [wanted.subject for wanted in good] == ["uz:007", "uz:008", "uz:015"]
    assert [wanted.status for wanted in good] == ["registered", "signed", "ended"]
    assert [wanted.record["country"] for wanted in good] == ["UZ", "UZ", "KZ"]
    assert [wanted.record["kind"] for wanted in good] == ["enterprise", "university", "institute"]
    assert not any(row.problems for row in found)  # the row of sums is skipped
    assert [(one.column, one.equal) for one in partners.skip] == [("№ п/п", ("Итого",))]

    found = outcomes(offers, load(office / "реестр.xlsx", offers.format_options()), "uz")
    good = [row.wanted for row in found if row.wanted is not None]
    assert [wanted.subject for wanted in good] == ["uz:T-01", "uz:T-02"]
    assert [wanted.record["partner"] for wanted in good] == ["uz:007", "uz:008"]
    assert [wanted.status for wanted in good] == ["published", "withdrawn"]


def test_persons_are_nowhere_in_the_clear(office: Path) -> None:
    """The columns of a person are under `persons`, and no field reads them."""
    workbook(office / "реестр.xlsx")
    assert propose(office, "реестр.xlsx", "--ask", typed="\n2\n\n1\n1\n").returncode == 0
    data = yaml.safe_load((office / "mappings" / "реестр.yaml").read_text("utf-8"))
    assert data["persons"]["contact"]["id"] == "Контактное лицо / Эл. почта"
    assert not [path for path, source in data["fields"].items() if "Контактное" in str(source)]


def test_mapping_with_open_questions_reads_no_row(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody answered is written as a question; until it is gone, preview and run refuse the sheet."""
    target = office / "mappings" / "предложения.yaml"
    options = ["предложения.csv", "--out", str(target), "--office", str(office)]
    assert run_command(["mapping", "propose", *options]) == 0
    assert "2" in capsys.readouterr().out
    mapping = read_mapping(target.read_text("utf-8"), target.name)
    assert len(mapping.questions) == 2
    with pytest.raises(OpenQuestions, match="connector mapping propose FILE --ask"):
        compile_mapping(mapping, "uz")
    assert run_command(["preview", "предложения.csv", "--office", str(office)]) == 2
    assert "questions" in capsys.readouterr().err
    answered = target.read_text("utf-8")
    assert "questions:" in answered


def test_unfinished_mapping_stops_its_own_sheets_alone(office: Path) -> None:
    """A key that is open is no broken file: the other mappings of the office go on to be read."""
    text = 'questions: ["which key?"]\nfiles: x.csv\nstream: "?"\nfields:\n'
    unfinished = read_mapping(text, "x.yaml")
    assert unfinished.matches("x.csv")
    with pytest.raises(OpenQuestions, match="which key"):
        compile_mapping(unfinished, "uz")
    with pytest.raises(UsageError, match="key: is required"):
        read_mapping("files: x.csv\nstream: offer\nfields: {title: {column: a}}\n", "x.yaml")


def test_proposal_is_shown_and_nothing_written(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --out and --ask one may look: each guess with its reason, each question, and what to type next."""
    before = sorted(office.rglob("*"))
    assert run_command(["mapping", "propose", "предложения.csv", "--office", str(office)]) == 0
    shown = capsys.readouterr().out
    assert sorted(office.rglob("*")) == before
    for expected in ("title", "Название", "точно", "назван как это поле", "что значит «Активен»", "--ask"):
        assert expected in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_commands_that_are_shown_can_be_typed(office: Path, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the file is called, and wherever the office is: each line's command is run as it is printed."""
    (office / "наши технологии (2).csv").write_text(OFFERS, "utf-8")
    options = ["наши технологии (2).csv", "--language", language, "--office", str(office)]
    assert run_command(["mapping", "propose", *options]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if "connector mapping propose" in line]
    asking, writing = (shlex.split(line[line.index("connector") :]) for line in shown)
    assert run_command(writing[1:]) == 0
    assert [path.name for path in (office / "mappings").iterdir()] == ["наши технологии (2).yaml"]
    done = propose(office, *asking[3:-2], "--force", typed="1\n1\n")
    assert done.returncode == 0, done.stderr


def test_proposal_overwrites_nothing(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mapping that somebody has worked on is not lost."""
    target = office / "mappings" / "предложения.yaml"
    target.parent.mkdir()
    target.write_text("mine", "utf-8")
    options = ["mapping", "propose", "предложения.csv", "--out", str(target), "--office", str(office)]
    assert run_command(options) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_text("utf-8") == "mine"
    target.unlink()
    assert run_command(options) == 0
    assert run_command([*options, "--force"]) == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_wizard_asks_in_the_language_and_again_where_the_answer_is_none(office: Path, language: str) -> None:
    """A number that is no option, a text where a number is due, a language that is none: asked again."""
    done = propose(office, "предложения.csv", "--ask", "--language", language, typed="русский\n99\nru\nopen\n0\n1\n")
    assert done.returncode == 0, done.stderr
    mapping = read_mapping((office / "mappings" / "предложения.yaml").read_text("utf-8"), "x")
    assert not mapping.questions
    assert mapping.fields["language"].value == "ru"
    assert mapping.status is not None
    assert mapping.status.table is not None
    assert mapping.status.table["Активен"] == "published"


def test_wrong_answer_is_taken_back(office: Path) -> None:
    """Kazakh was typed for Russian: < asks again, and what follows is asked after it."""
    done = propose(office, "предложения.csv", "--ask", typed="<\nkk\n<\nru\n1\n")
    assert done.returncode == 0, done.stderr
    mapping = read_mapping((office / "mappings" / "предложения.yaml").read_text("utf-8"), "x")
    assert mapping.fields["language"].value == "ru"


def test_end_of_input_writes_nothing(office: Path) -> None:
    """Whoever closes the terminal in the middle leaves no half of a mapping."""
    done = propose_apart(office, "предложения.csv", "--ask", typed="1\n")
    assert done.returncode != 0
    assert not (office / "mappings").exists()


def test_json_has_guesses_questions_and_the_mapping(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program, or a desk, can ask the questions itself."""
    assert run_command(["mapping", "propose", "предложения.csv", "--json", "--office", str(office)]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["stream"] == "offer"
    assert {question["id"] for question in found["questions"]} == {"field:language", "value:status:Активен"}
    assert read_mapping(found["mapping"], "x").stream == "offer"


def test_header_below_a_title_of_two_cells_is_found_by_its_names(office: Path) -> None:
    """The reader takes the first row with two cells; names that are known tell better, and the mapping says where."""
    (office / "x.csv").write_text("Отчёт;за май\n;\n" + OFFERS, "utf-8")
    done = propose(office, "x.csv", "--ask", typed="1\n1\n1\n")
    assert done.returncode == 0, done.stderr
    mapping = read_mapping((office / "mappings" / "x.yaml").read_text("utf-8"), "x")
    found = outcomes(mapping, load(office / "x.csv", mapping.format_options()), "uz")
    assert [row.wanted.subject for row in found if row.wanted] == ["uz:T-1", "uz:T-2"]


def test_two_worksheets_that_number_alike_are_asked(office: Path) -> None:
    """Both begin with 1-1: without an answer one row would revise the other's entity."""
    book = Workbook()
    for number, year in enumerate(("2024", "2025")):
        sheet = book.worksheets[0] if not number else book.create_sheet()
        sheet.title = f"Предложения {year}"
        sheet.append(["Код", "Название", "Язык", "Экспортный контроль", "Статус"])
        sheet.append(["1-1", f"Насос {year}", "ru", "не ограничен", "опубликовано"])
        sheet.append([f"{year}-2", f"Сорт {year}", "ru", "не ограничен", "опубликовано"])
    book.save(office / "два.xlsx")
    done = propose(office, "два.xlsx", "--ask", typed="B-\n")
    assert done.returncode == 0, done.stderr
    first, second = (
        read_mapping((office / "mappings" / name).read_text("utf-8"), name) for name in ("два.yaml", "два-2.yaml")
    )
    assert (first.key_prefix, second.key_prefix) == ("", "B-")


def test_sheet_that_another_mapping_takes_is_refused(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The new mapping would never be used; said before anything is asked."""
    (office / "mappings").mkdir()
    (office / "mappings" / "a.yaml").write_text(
        "files: 'пред*.csv'\nstream: offer\nkey: a\nfields: {title: {column: b}}\n", "utf-8"
    )
    options = ["предложения.csv", "--out", str(office / "mappings" / "x.yaml"), "--office", str(office)]
    assert run_command(["mapping", "propose", *options]) == 2
    said = capsys.readouterr().err
    assert "предложения.csv уже читается по" in said
    assert "mappings/a.yaml --force" in said


@pytest.mark.parametrize("name", [".a.yaml", "a.yhtml"])
def test_file_that_the_connector_reads_no_mapping_from_stands_in_nobodys_way(office: Path, name: str) -> None:
    """What an editor leaves beside a mapping takes no sheet."""
    (office / "mappings").mkdir()
    (office / "mappings" / name).write_text(
        "files: 'пред*.csv'\nstream: offer\nkey: a\nfields: {title: {column: b}}\n", "utf-8"
    )
    options = ["предложения.csv", "--out", str(office / "mappings" / "x.yaml"), "--office", str(office)]
    assert run_command(["mapping", "propose", *options]) == 0


def test_text_that_reads_in_several_encodings_is_asked_about(office: Path) -> None:
    """Kazakh letters are others in windows-1251: the person sees how each reads, and the mapping keeps the answer."""
    text = OFFERS.replace("Солнечный насос", "Қазақстан өнімі")
    (office / "kz.csv").write_bytes(text.encode("kz1048"))
    shown = propose(office, "kz.csv")
    assert shown.returncode == 2
    assert "--encoding" in shown.stderr
    asked = propose(office, "kz.csv", "--ask", typed="0\n")
    lines = [line for line in asked.stdout.splitlines() if "kz1048: " in line]
    assert "Қазақстан" in asked.stdout
    number = lines[0].split()[0]
    done = propose(office, "kz.csv", "--ask", typed=f"{number}\n3\n1\n")
    assert done.returncode == 0, done.stderr
    mapping = read_mapping((office / "mappings" / "kz.yaml").read_text("utf-8"), "x")
    assert (mapping.format.encoding, mapping.fields["language"].value) == ("kz1048", "kk")
    named = propose(office, "kz.csv", "--encoding", "kz-1048", "--json")
    assert "encoding: kz1048" in json.loads(named.stdout)[0]["mapping"]
    assert propose(office, "kz.csv", "--encoding", "klingon").returncode == 2


def test_file_or_folder_that_is_not_there_is_said(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and what to do."""
    assert run_command(["mapping", "propose", "nothing.xlsx", "--office", str(office)]) == 2
    assert "файла nothing.xlsx нет ни здесь" in capsys.readouterr().err
    options = ["предложения.csv", "--out", "x.txt", "--office", str(office)]
    assert run_command(["mapping", "propose", *options]) == 2
    assert "должно оканчиваться на .yaml" in capsys.readouterr().err


def test_tables_hold_on_a_narrow_terminal(office: Path) -> None:
    """At 80 columns no setting, no field and no code is broken in two."""
    workbook(office / "реестр.xlsx")
    command = [sys.executable, "-m", "connectors.cli.main"]
    shown = lines_at(80, [*command, "mapping", "propose", "реестр.xlsx", "--office", str(office)])
    for place in ("contact.phone", "contact.email", "export_control", "partner_since", "published_on"):
        assert any(line.split()[:1] == [place] for line in shown), place
    for language in LANGUAGES:
        shown = lines_at(80, [*command, "fields", "offer", "--language", language, "--office", str(office)])
        for field in ("technology_keywords", "partnership_kinds", "ip_expires_on", "effective_on"):
            assert any(line.split()[:1] == [field] for line in shown), field
        assert any("available_for_demonstration" in line for line in shown)
        assert any("applied_not_granted" in line for line in shown)


@pytest.mark.parametrize("typed", ["offer", "предложение", "1"])
def test_answer_may_be_named_as_the_list_shows_it(office: Path, typed: str) -> None:
    """By its number, its code or its name; an empty answer where none is likely says so."""
    (office / "x.csv").write_text("a;b;c\n1;2;3\n4;5;6\n", "utf-8")
    done = propose(office, "x.csv", "--ask", typed=f"{typed}\n\nb\n")
    assert "ответа по умолчанию здесь нет" in done.stdout
    assert "ожидался номер" not in done.stdout
