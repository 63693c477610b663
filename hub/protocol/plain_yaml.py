"""Reads YAML that a stranger may have written: whatever stands in it, it is read in time of its size, or refused.

The safe loader makes nothing but plain values. But names for parts of a text let a few lines stand for billions of
values, deep nesting takes a second before it ends in a RecursionError, and numbers and dates that there can't be end in
a ValueError.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

NUMBER_CHARS_MAX: Final = 100
DEPTH_MAX: Final = 50  # of lists and tables in one another: no file of ours has six
VALUES_MAX: Final = 10_000  # of a text, each part counted as often as it is named


class BoundedLoader(yaml.SafeLoader):
    """The safe loader, which goes no deeper than is of use, and whose merged tables (`<<`) stay small.

    Of a dozen lines of merged tables each could be nine times the last.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next part of a text. Errors: yaml.MarkedYAMLError where it is too deep, or wrong."""
        self._depth += 1
        try:
            if self._depth > DEPTH_MAX:
                message = f"expected at most {DEPTH_MAX} lists and tables in one another"
                raise yaml.composer.ComposerError(None, None, message, parent.start_mark if parent else None)
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put merged tables in place. Errors: yaml.MarkedYAMLError where they grow too large."""
        super().flatten_mapping(node)
        if len(node.value) > VALUES_MAX:
            message = f"expected at most {VALUES_MAX} values"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """Return a whole number. Errors: yaml.MarkedYAMLError for a long one: YAML has them of base 60, too."""
    if len(node.value) > NUMBER_CHARS_MAX:
        message = f"expected a number of at most {NUMBER_CHARS_MAX} characters"
        raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
    return loader.construct_yaml_int(node)


BoundedLoader.add_constructor("tag:yaml.org,2002:int", _number)


def load_yaml(text: str, loader: type[yaml.SafeLoader] = BoundedLoader) -> Any:
    """Return what a text says, as plain values. Errors: yaml.YAMLError, whatever is wrong with it."""
    try:
        said = yaml.load(text, Loader=loader)  # noqa: S506 - a SafeLoader
    except (RecursionError, ValueError, OverflowError, TypeError) as exc:  # depth, 5,000 digits, the 99th of a month
        raise yaml.YAMLError(" ".join(str(exc).split())[:200]) from exc
    _check_size(said)
    return said


def _check_size(said: Any) -> None:
    """See that a text says no more than the limit. Errors: yaml.YAMLError, also where it names itself."""
    waiting, count = [said], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > VALUES_MAX:
            raise yaml.YAMLError(f"expected at most {VALUES_MAX} values")
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set):
            waiting.extend(value)
