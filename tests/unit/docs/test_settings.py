"""What docs/ says of settings is what the models have: nothing missing, nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from connectors.mapping.compiled import compile_mapping
from connectors.mapping.model import Mapping, Source, read_mapping
from connectors.mapping.outcome import Outcomes
from connectors.runtime.settings import ConnectorSettings, Overrides, make_settings
from connectors.source.reader import read_table
from connectors.source.table import FormatOptions
from hub.broker.settings import BrokerSettings
from hub.hq.settings import FILE, VARIABLES, HubSettings, read_settings

DOCS = Path(__file__).parents[3] / "docs"
MAPPING = (DOCS / "mapping.md").read_text("utf-8")
SETTINGS = (DOCS / "settings.md").read_text("utf-8")
OFFICE = "`connector.yaml`, in the office's folder"
HQ = "`hub.yaml`, in the hub's data directory"


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> dict[str, str]:
    """The first two columns of a table: a name in backticks, and what stands beside it."""
    return {name: second.strip(" `") for name, second in re.findall(r"^\| `([^`]+)` \|([^|]*)\|", text, re.MULTILINE)}


def defaults(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            found |= defaults(type(field.default), f"{prefix}{name}.")
        else:
            said: Any = "none" if field.default in (None, ()) else field.default
            found[prefix + name] = "required" if field.is_required() else str(said)
    return found


@pytest.mark.parametrize(
    ("heading", "model", "unsaid"),
    [
        ("The mapping", Mapping, {"name"}),
        ("A source", Source, set()),
        ("The form of a file", FormatOptions, {"columns_needed", "columns_shown", "has_persons"}),
    ],
)
def test_mapping_page_names_every_setting(heading: str, model: type[BaseModel], unsaid: set[str]) -> None:
    """A person who writes a mapping finds each setting, and no other."""
    assert set(rows(section(MAPPING, heading))) == set(model.model_fields) - unsaid


def test_mapping_example_works() -> None:
    """The example makes of its own sheet what the page says."""
    sheet = re.search(r"\n    (Год.*)\n    (2024.*)\n", MAPPING)
    text = re.search(r"```yaml\n(.*?)```", MAPPING, re.DOTALL)
    assert sheet
    assert text
    mapping = read_mapping(text[1], "offers.yaml")
    table = read_table("offers.csv", "\n".join(sheet.groups()).encode("cp1251"), mapping.format_options())
    compile_mapping(mapping, "uz", table.format, table.header)
    (outcome,) = Outcomes(mapping, table, "uz")
    assert outcome.problems == ()
    assert outcome.wanted is not None
    assert (outcome.wanted.subject, outcome.wanted.status) == ("uz:T-2024|7", "withdrawn")
    record = outcome.wanted.record
    assert (record["summary"], record["partner"]) == ("Насос. Без сети", "uz:P-12")
    assert record["countries"] == ["UZ", "TJ"]


def test_settings_page_names_every_setting_and_its_default() -> None:
    """connector.yaml's table is the model's, defaults included."""
    assert rows(section(SETTINGS, OFFICE)) == defaults(ConnectorSettings)


def test_settings_example_is_accepted() -> None:
    """The example is a whole connector.yaml."""
    text = re.search(r"```yaml\n(.*?)```", section(SETTINGS, OFFICE), re.DOTALL)
    assert text
    assert make_settings(yaml.safe_load(text[1]), "docs").security.username == "uz"


def test_settings_page_names_every_setting_of_hq_and_its_default() -> None:
    """hub.yaml's table is the model's, defaults included."""
    assert rows(section(SETTINGS, HQ)) == defaults(HubSettings)


def test_settings_example_of_hq_is_accepted(tmp_path: Path) -> None:
    """The example is a whole hub.yaml."""
    text = re.search(r"```yaml\n(.*?)```", section(SETTINGS, HQ), re.DOTALL)
    assert text
    (tmp_path / FILE).write_text(text[1])
    found = read_settings(tmp_path, {}).settings
    assert (len(found.bootstrap), found.security.username, found.worker.stall_s) == (2, "hq", 120)
    assert found.security.ca_file == tmp_path / "hub-ca.pem"


def test_environment_table_names_every_variable() -> None:
    """All that is read from the environment is said, and nothing that is not read."""
    read = {f"COHUB_CONNECTOR_{name}".upper() for name in Overrides.model_fields}
    read |= {f"COHUB_{name}".upper() for name in BrokerSettings.model_fields}
    read |= set(VARIABLES)
    read |= {"COHUB_OFFICE", "HUB_DATA_DIR", "COHUB_DEBUG", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"}
    assert set(rows(section(SETTINGS, "The environment"))) == read
