import pytest

import pimvae.aggregators
from pimvae import registry
from pimvae.errors import UserError


@pytest.fixture
def path(monkeypatch):
    """The search path of the aggregators, given back afterwards."""
    monkeypatch.setattr(pimvae.aggregators, "__path__", list(pimvae.aggregators.__path__))
    return pimvae.aggregators.__path__


def test_a_folder_adds_its_files_as_entries(path, tmp_path):
    before = registry.names("aggregators")
    (tmp_path / "outside_scheme.py").write_text("__all__ = ['Outside']\n\n\nclass Outside:\n    pass\n")
    registry.add_folder("aggregators", tmp_path)
    assert registry.names("aggregators") == sorted([*before, "outside_scheme"])
    assert registry.lookup("aggregators", "outside_scheme").__name__ == "Outside"


def test_a_folder_is_added_once(path, tmp_path):
    for _ in range(2):
        registry.add_folder("aggregators", tmp_path)
    assert path.count(str(tmp_path)) == 1


def test_no_folder_is_a_user_error(path, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        registry.add_folder("aggregators", tmp_path / "absent")


def test_an_unknown_name_is_told_with_the_nearest(path):
    with pytest.raises(UserError, match="did you mean 'sum_pooling'"):
        registry.lookup("aggregators", "sum_poling")
