"""What docs/commands.md tells is what the program takes."""

import re

from tests import reference


def test_the_page_of_commands_is_current():
    assert reference.COMMANDS.read_text(encoding="utf-8") == reference.commands(), "run `make reference`"


def test_the_page_has_every_command_and_cuts_no_text():
    text = reference.commands()
    assert {"export", "verify", "bench", "ship android"} <= set(re.findall(r"^##+ `modnet-export (.+)`$", text, re.M))
    assert "--precisions" in text
    assert not re.search(r"^\* .*[a-z]\.\.\.$", text, re.M)
