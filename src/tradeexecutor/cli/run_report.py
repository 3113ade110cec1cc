"""What a program that runs for long reports: on the terminal, and as log messages."""

import datetime
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tradeexecutor.cli.output import print_facts, print_line, print_problem
from tradeexecutor.operations.error_text import describe_error

__all__ = ["RunReport"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunReport:
    """Reports what a program does.

    Attributes
    ----------
    is_printed
        Whether it is printed for people, too; if not, only as log messages.
    """

    is_printed: bool = True

    def tell_start(self, facts: Mapping[str, str]) -> None:
        """Tell which strategy starts, and how."""
        logger.info("Started", extra={name.lower(): value for name, value in facts.items()})
        if self.is_printed:
            print_facts(dict(facts))

    def tell(self, text: str) -> None:
        """Tell what has happened."""
        logger.info(text)
        if self.is_printed:
            print_line(text)

    def tell_job(self, job: str, error: Exception | None) -> None:
        """Tell that a job is done, or has failed and is tried again; the failure is in the log already."""
        now = datetime.datetime.now(datetime.UTC)
        if error is None:
            logger.info("%s done", job, extra={"job": job})
            if self.is_printed:
                print_line(f"{now:%Y-%m-%d %H:%M:%S} {job} done")
        elif self.is_printed:
            print_problem(f"{now:%Y-%m-%d %H:%M:%S} {job} failed, the next one tries again: {describe_error(error)}")

    def tell_decision(self, tick: datetime.datetime, seconds: float) -> None:
        """Tell that the decision of a tick, naive UTC, is made and saved, and how long that took."""
        now = datetime.datetime.now(datetime.UTC)
        details = {"job": "decision", "tick": f"{tick:%Y-%m-%dT%H:%M:%S}", "seconds": round(seconds, 3)}
        logger.info("decision done", extra=details)
        if self.is_printed:
            print_line(f"{now:%Y-%m-%d %H:%M:%S} decision done: {tick:%Y-%m-%d %H:%M}, in {seconds:.2f} s")

    def tell_failure(self, job: str, error: Exception | None) -> None:
        """Tell that a job has failed and is tried again; what is done is told in another way."""
        if error is not None:
            self.tell_job(job, error)

    def tell_hang(self, problem: str, place: str) -> None:
        """Tell that a job was interrupted because it hung, and where."""
        if self.is_printed:
            print_problem(f"Error: {problem}. It was interrupted here:")
            print_problem(place.rstrip(), "")
        logger.warning("%s. It was interrupted here:\n%s", problem, place.rstrip())
