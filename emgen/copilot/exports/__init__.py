"""What a session leaves to take away: tables, masks, a report, a video."""

from emgen.copilot.exports.kinds import KINDS
from emgen.copilot.exports.making import Exports, export_session

__all__ = ["KINDS", "Exports", "export_session"]
