"""The stage `report`: its section of a study. It reads every other stage of the study (`stages.py`)."""

from dataclasses import dataclass

from semantic_pivots.config import Stage


@dataclass(frozen=True)
class ReportConfig:
    """One self-contained HTML file."""

    name: str = "study"
    profile: str = ""
    """profile of the study, which the page's command names"""
    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")


STAGE = Stage(
    "report", ReportConfig, "report.page:report_stage", says="one self-contained HTML file", version=3,
)  # fmt: skip
