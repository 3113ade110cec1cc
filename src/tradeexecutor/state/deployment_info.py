"""Data about the deployment of a strategy, copied from the deployment artifact, with the times of its changes."""

import copy
from dataclasses import dataclass, field
from pathlib import Path

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import JSONObject, UTCDatetime, new_dict, new_list

#: Value of `DeploymentInfo.source` for data from the file beside the strategy.
STRATEGY_FILE = "strategy_file"


@dataclass(slots=True)
class DeploymentInfoChange(Serialisable):
    """One entry of the audit log."""

    #: Time of the change.
    modified_at: UTCDatetime = field(default_factory=utc_now)
    #: What was changed, for people.
    change_summary_message: str = ""


@dataclass(slots=True)
class DeploymentInfo(Serialisable):
    """Content of a deployment artifact."""

    #: Source of the data; None before the first update.
    source: str | None = None
    #: Path of the artifact.
    deployment_file: str | None = None
    #: Content of the artifact, free-form.
    data: JSONObject = field(default_factory=new_dict)
    #: Audit log, oldest first.
    modified: list[DeploymentInfoChange] = field(default_factory=new_list)

    def __post_init__(self) -> None:
        check_values(self)

    def update_strategy_file_deployment_data(self, deployment_file: str | Path, data: JSONObject) -> bool:
        """Store the content of the artifact beside the strategy.

        Returns
        -------
        bool
            Whether the data, and therefore the audit log, changed.

        Raises
        ------
        InvalidValue
            The data is not a dictionary.
        """
        if not isinstance(data, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"deployment data must be a dictionary, got {data!r}")
        self.source = STRATEGY_FILE
        self.deployment_file = str(deployment_file)
        if data == self.data:
            return False
        verb = "Updated" if self.data else "Initialised"
        message = f"{verb} strategy-file deployment information from {deployment_file}"
        self.data = copy.deepcopy(data)  # so that later changes by the caller do not change the record
        self.modified.append(DeploymentInfoChange(change_summary_message=message))
        return True
