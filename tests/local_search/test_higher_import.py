import runpy
import sys
import warnings

from lightning_lossmeta.local_search import higher_backend


def test_warnings_of_the_librarys_source_are_not_shown(tmp_path, monkeypatch):
    (tmp_path / "higher.py").write_text(
        "import warnings\nwarnings.warn('of its source', SyntaxWarning)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "higher")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        made = runpy.run_path(higher_backend.__file__)
    assert made["higher"].__file__ == str(tmp_path / "higher.py")
