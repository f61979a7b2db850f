"""`sigtrail strategies backtest` from its command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from typer.testing import CliRunner, Result

from cli.main import build
from shared.errors import InputError
from tests.backtest.scene import BUSY, chart, write


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("candles") / "charts", chart(300, seed=4))


def run(*words: object) -> Result:
    """The command's end; what it raises is what `sigtrail` says in one sentence."""
    words = ("strategies", "backtest", *words)
    return CliRunner().invoke(build(["strategies"]), [str(one) for one in words])


def trader(folder: Path, **columns: Any) -> Path:
    path = folder / "trader.json"
    path.write_bytes(orjson.dumps({**BUSY, **columns}))
    return path


def fault(*words: object) -> str:
    done = run(*words)
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)


def test_the_report_is_one_document_and_files(candles: Path, tmp_path: Path) -> None:
    done = run(
        trader(tmp_path), "--candles", candles, "--json", "--report", tmp_path / "made", "--points", 50
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "made" / "report.json").read_text())
    assert report["candles"] == 600
    assert report["terms"]["equity"] == "10000"
    assert 0 < len(report["equity"]["points"]) <= 50
    assert len(report["trades"]) == report["figures"]["trades"] + report["figures"]["open"] > 5
    assert all(isinstance(one["pnl"], str) for one in report["trades"])


def test_the_picture_is_an_svg_that_tells_what_the_report_does(candles: Path, tmp_path: Path) -> None:
    picture = tmp_path / "equity.svg"
    done = run(trader(tmp_path, name="Tom & <Jerry>"), "--candles", candles, "--picture", picture)
    assert done.exit_code == 0, done.output
    root = ElementTree.fromstring(picture.read_text())
    told = " ".join(root.itertext())
    assert "Tom & <Jerry>: BTCUSDT, ETHUSDT" in told
    assert "trades" in told
    assert "drawdown" in told
    assert "prefers-color-scheme: dark" in told
    lines = [one for one in root if one.get("class") == "equity"]
    assert len(lines[0].get("points", "").split()) > 100


def test_several_traders_have_a_line_each(candles: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.json"
    path.write_bytes(orjson.dumps([{**BUSY, "name": "One"}, {**BUSY, "name": "Two", "interval": "5m"}]))
    done = run(path, "--candles", candles, "--symbols", "BTCUSDT")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "300 candles of BTCUSDT" in lines[0]
    assert {line.split()[0] for line in lines[2:4]} == {"One", "Two"}
    assert lines[4].startswith("2 traders")


def test_nothing_traded_is_told_without_numbers(candles: Path, tmp_path: Path) -> None:
    done = run(trader(tmp_path, conditions=["close < 0"]), "--candles", candles, "--json")
    figures = json.loads(done.stdout)["figures"]
    assert (figures["trades"], figures["profit"], figures["exposure"]) == (0, "0", "0")
    unknown = ("win_rate", "profit_factor", "sharpe", "average_trade", "best_trade", "drawdown_from")
    assert [figures[name] for name in unknown] == [None] * len(unknown)


def test_what_cannot_be_played_is_one_sentence(candles: Path, tmp_path: Path) -> None:
    good = trader(tmp_path)
    assert "is not a folder" in fault(good, "--candles", tmp_path / "none")
    assert "cannot be read as JSON" in fault(tmp_path / "none.json", "--candles", candles)
    assert "is not before" in fault(
        good, "--candles", candles, "--from", "2025-05-05", "--until", "2025-05-04"
    )
    assert "no candles to play" in fault(good, "--candles", candles, "--from", "2025-06-01")
    assert "--equity '-1' is no amount" in fault(good, "--candles", candles, "--equity", "-1")
    assert "belong together" in fault(good, "--candles", candles, "--save")
    assert "at most 10000 points" in fault(
        good, "--candles", candles, "--save", "--user", "a@b.c", "--points", 20_000
    )
    assert "name it curve.svg" in fault(good, "--candles", candles, "--picture", tmp_path / "curve.png")
    assert "watches none of XRPUSDT" in fault(good, "--candles", candles, "--symbols", "XRPUSDT")
    assert "given twice" in fault(good, good, "--candles", candles)
    assert "no candles of XRPUSDT" in fault(
        trader(tmp_path, symbols=["BTCUSDT", "XRPUSDT"]), "--candles", candles
    )
    broken = trader(tmp_path, conditions=["RSI(14) <"])
    assert str(broken) in fault(broken, "--candles", candles)
    assert "stoploss: Extra inputs" in fault(trader(tmp_path, stoploss="1"), "--candles", candles)
    assert "stop_loss has a type and a value" in fault(
        trader(tmp_path, stop_loss_value=None), "--candles", candles
    )
    assert "only go long" in fault(trader(tmp_path, market="spot", side="short"), "--candles", candles)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "BTCUSDT_1m.parquet").write_text("no table")
    assert "BTCUSDT_1m.parquet cannot be read" in fault(
        trader(tmp_path, symbols=["BTCUSDT"]), "--candles", tmp_path / "bad"
    )
