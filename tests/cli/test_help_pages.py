import pytest

from lightning_lossmeta.__main__ import main


def _help(capsys, *arguments):
    try:
        status = main(list(arguments))
    except SystemExit as stop:  # of a parser
        status = stop.code
    assert status == 0
    return capsys.readouterr().out


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_search_starts_with_what_is_its_own(narrow, capsys):
    page = _help(capsys, "search", "--help")
    lines = page.splitlines()
    assert lines[0] == "usage: lossmeta search [--config FILE] [--OPTION VALUE ...]"
    assert len(lines) < 180
    order = ["--config", "--tasks", "--family", "--session.steps", "--model", "--data", "--trust"]
    places = [page.index(f"{option} ") for option in order]
    assert places == sorted(places)
    assert "--trainer." not in page
    assert "TaylorFamily" in page
    assert "pytorch_lightning.demos" not in page


def test_the_trainers_options_have_a_page_of_their_own(narrow, capsys):
    page = _help(capsys, "fit", "--help.trainer")
    assert "--trainer.max_epochs" in page
    assert "--model" not in page
    assert "--help.trainer" in _help(capsys, "fit", "--help")


@pytest.mark.parametrize(
    ("command", "most"), [("compare", 160), ("embed", 160), ("learning", 160), ("landscape", 180)]
)
def test_compare_lists_no_module_of_torch(command, most, narrow, capsys):
    page = _help(capsys, command, "--help")
    assert len(page.splitlines()) < most
    assert "torch.nn." not in page
    assert "torchvision" not in page
    assert "lossmeta zoo" in page
    assert page.index("--losses") < page.index("--model ")


def test_the_help_of_a_class_is_as_it_was(narrow, capsys):
    page = _help(capsys, "search", "--family.help", "TaylorFamily")
    assert "order ORDER" in page
    assert "--OPTION" not in page
