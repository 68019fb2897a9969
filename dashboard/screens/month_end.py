"""The month-end pack as files to take away."""

from __future__ import annotations

from dashboard.metrics.question import Question
from dashboard.month_end import files
from dashboard.screens.files import here, menu
from dashboard.services import Services


def month_end_menu(services: Services, question: Question) -> None:
    """A menu with the pack of the period shown."""
    menu(services, "month-end", files(services, question, here()), "Month-end pack")
