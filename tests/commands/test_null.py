from typer.testing import CliRunner

from semantic_pivots.cli import app
from semantic_pivots.errors import InputError


def test_null_prints_every_statistic_of_every_world_and_slope():
    found = CliRunner().invoke(app, ["null", "--items", "300", "--runs", "3", "--slopes", "0,1"])
    assert found.exit_code == 0
    assert len(found.output.splitlines()) == 1 + 3 * 2 * 5
    again = CliRunner().invoke(app, ["null", "--items", "300", "--runs", "3", "--slopes", "0,1"])
    assert again.output == found.output


def test_null_refuses_what_it_cannot_read(tmp_path):
    for arguments, word in ((["--slopes", "a"], "--slopes"), (["--items", "2"], "--items"), ([str(tmp_path)], "items")):
        error = CliRunner().invoke(app, ["null", *arguments]).exception
        assert isinstance(error, InputError)
        assert word in str(error)
