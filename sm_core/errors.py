"""Everything that can go wrong, by code.

An error says what happened (with region, day, source and numbers in its message), whether trying again can help
(``transient``) and what a person should do (``remedy``). ``docs/error-codes.md`` lists the same codes; a test keeps
both equal. Expected absence (a granule that is not there yet) is no error but an :class:`~sm_core.domain.InputSlot`.
"""

from __future__ import annotations

from typing import ClassVar


class SmError(Exception):
    """Base of all coded errors."""

    code: ClassVar[str] = "SM000"
    transient: ClassVar[bool] = False
    remedy: ClassVar[str] = "Report this with the run record."

    def __init__(self, message: str, **context: object) -> None:
        super().__init__(message)
        self.context = context

    def __str__(self) -> str:
        details = ", ".join(f"{key}={value}" for key, value in self.context.items())
        return f"{super().__str__()} ({details})" if details else super().__str__()


class ConfigError(SmError):
    """SM1xx: the system is told something it cannot work with."""

    code = "SM100"
    remedy = "Correct the setting or argument that is named."


class UnknownRegionError(ConfigError):
    code = "SM101"
    remedy = "Name a region of deployments/regions, or give the path of a region YAML file."


class RegionFileError(ConfigError):
    code = "SM102"
    remedy = "Correct the region file at the key that is named; deployments/regions/korea.yaml is an example."


class SettingsError(ConfigError):
    code = "SM103"
    remedy = "Correct the environment variable that is named; deployments/settings.example.env explains each."


class DayOutOfRangeError(ConfigError):
    code = "SM104"
    remedy = "Ask for a day that has begun (UTC), written YYYY-MM-DD, inside the period of the archive."


class ArchiveNotFoundError(ConfigError):
    code = "SM105"
    remedy = "Point --archive at a folder with granules under their providers' file names."


class AlertRulesError(ConfigError):
    code = "SM106"
    remedy = "Correct the alert rules at the key that is named; deployments/alerts.yaml is an example."


class RequestError(ConfigError):
    code = "SM107"
    remedy = "Ask for what /openapi.json describes, within the limits that the message names."


class SourceError(SmError):
    """SM2xx: what a provider delivered cannot be used."""

    code = "SM200"


class SourceUnavailableError(SourceError):
    code = "SM201"
    transient = True
    remedy = "The provider's host does not answer as it should: wait, unless `sm-daily sources` shows it for days."


class AuthenticationError(SourceError):
    code = "SM202"
    remedy = "The provider refuses the credentials: renew the token or password that is named in the settings."


class LicenceNotAcceptedError(SourceError):
    code = "SM203"
    remedy = "Log in to the provider's site once with this account and accept the licence that the message names."


class NotYetDownloadableError(SourceError):
    code = "SM204"
    transient = True
    remedy = "Listed, but not there yet: it is tried again at each run. After a week, ask the provider."


class GranuleCorruptError(SourceError):
    code = "SM205"
    remedy = "Delete the file and fetch it again; the provider's checksum tells whether the copy is at fault."


class SchemaDriftError(SourceError):
    code = "SM206"
    remedy = "The provider changed the layout: compare with docs/data-sources.md and extend the declaration."


class ForeignFileError(SourceError):
    code = "SM207"
    remedy = "Not a product this system knows, or not what its name says (an error page saved as data?): remove it."


class StationFileError(SourceError):
    code = "SM208"
    remedy = "Check the station file against docs/data-sources.md; its other lines and files are unaffected."


class QuotaExhaustedError(SourceError):
    code = "SM209"
    remedy = "The provider's daily quota is used up: the next day's run goes on where this one stopped."


class UnsafeContentError(SourceError):
    code = "SM210"
    remedy = "The content could harm this machine (a path, an archive or XML bomb): tell the provider; it is not read."


class HostKeyError(SourceError):
    code = "SM211"
    remedy = "The host shows another key than the known one: verify it with the provider, then renew the setting."


class InputError(SmError):
    """SM3xx: inputs that do not fit together."""

    code = "SM300"


class InsufficientInputsError(InputError):
    code = "SM301"
    remedy = "See the inputs table of the run: wait for the missing source, or extend the archive."


class GridMismatchError(InputError):
    code = "SM302"
    remedy = "Bring all inputs on one grid (same CRS, transform, width and height) before combining them."


class UnitsError(InputError):
    code = "SM303"
    remedy = "Values lie outside the physical range of the declared unit: check scale, offset and unit of the file."


class StaticLayerError(InputError):
    code = "SM304"
    remedy = "The region file names a static layer that is missing, unreadable or empty over the region."


class ComputeError(SmError):
    """SM4xx: a calculation has no meaningful result."""

    code = "SM400"


class NoUsablePairError(ComputeError):
    code = "SM401"
    remedy = "No clear fine image near the day: widen the search window or wait for a clear day."


class FeatureMismatchError(ComputeError):
    code = "SM402"
    remedy = "The model was trained with other features: retrain, or roll back to a model of this version."


class NonFiniteError(ComputeError):
    code = "SM403"
    remedy = "An input holds infinite values: inspect the granule that is named and quarantine it."


class ModelError(SmError):
    """SM5xx: models."""

    code = "SM500"


class ModelNotFoundError(ModelError):
    code = "SM501"
    remedy = "Train first: sm-daily train --region REGION --archive DIR."


class ModelIntegrityError(ModelError):
    code = "SM502"
    remedy = "The stored model differs from what was registered: restore it from backup or retrain."


class TooFewSamplesError(ModelError):
    code = "SM504"
    remedy = "Extend the training period, or add stations, until the named minimum is reached."


class LeakError(ModelError):
    code = "SM505"
    remedy = "The model could have seen what it is judged on: remove what the message names, or widen the buffer."


class OperationError(SmError):
    """SM6xx: the machine, and the processes that must stay alive."""

    code = "SM600"


class ProcessError(OperationError):
    code = "SM601"
    remedy = "A part of the system does not stay alive: read the log that is named; `sm-daily doctor` knows more."


class AlreadyRunningError(OperationError):
    code = "SM602"
    remedy = "Another sm-daily works on this data folder: stop that one first, or name another folder."


class BackupError(OperationError):
    code = "SM603"
    remedy = "Nothing was replaced: name a whole backup, an empty target, or say --overwrite where that is meant."


class RunLostError(OperationError):
    code = "SM604"
    transient = True
    remedy = "A run ended without a word: look for lack of memory or power, and in the worker's log. It is tried again."


class PublishError(SmError):
    """SM7xx: storing and publishing."""

    code = "SM700"


class ItemConflictError(PublishError):
    code = "SM701"
    remedy = "The same item exists with other content: published items are immutable; raise the algorithm version."


class StoreUnavailableError(PublishError):
    code = "SM702"
    transient = True
    remedy = "The product store cannot be written: check that it is mounted, writable and not full."


class DiskQuotaError(PublishError):
    code = "SM703"
    remedy = "The archive has no room for the next files: raise SM_ARCHIVE_QUOTA_GB, add disk, or shorten retention."


class LedgerError(PublishError):
    code = "SM704"
    remedy = "The ledger cannot be used: check SM_LEDGER_URL, the database's health, and `sm-daily ledger upgrade`."


class DeliveryError(PublishError):
    code = "SM705"
    transient = True
    remedy = "Alerts wait in the outbox and are sent by the next run: check the channel's host and settings."


class DeliveryRefusedError(PublishError):
    code = "SM706"
    remedy = "The receiver refuses the alert: correct the channel's address or credentials in the settings."


class NotPublishedError(PublishError):
    code = "SM707"
    remedy = "Ask for a region, day, revision, layer or file that /api/regions and its days list."


class BusyError(PublishError):
    code = "SM708"
    transient = True
    remedy = "The page serves as many requests as it can: ask again in a moment, fewer at a time."


class WatchError(SmError):
    """SM8xx: what the watch finds."""

    code = "SM800"


class DayMissingError(WatchError):
    code = "SM801"
    remedy = "A day that readers expect is not there: its last run record tells why; `sm-daily run DAY` makes it."


class DayStaleError(WatchError):
    code = "SM802"
    remedy = "Nothing newer was published in time: see `sm-daily sources`, and whether server and worker are alive."


class DayWithheldError(WatchError):
    code = "SM803"
    remedy = "The day's checks failed: see the checks of its last run, mend the input that is at fault, run it again."


class DayDamagedError(WatchError):
    code = "SM804"
    remedy = "Published files are missing or changed: `sm-daily run DAY` restores them, or take them from a backup."


class SourceSilentError(WatchError):
    code = "SM805"
    remedy = "See `sm-daily sources`: wait, ask the provider, or name the source in SM_ENDED_SOURCES."


class SpaceError(WatchError):
    code = "SM806"
    remedy = "Add disk, lower SM_ARCHIVE_QUOTA_GB, or let less be kept; a database shrinks when it is vacuumed."


class ExpiryError(WatchError):
    code = "SM807"
    remedy = "Renew the credential or certificate that is named before it ends."


class SkillLostError(WatchError):
    code = "SM808"
    remedy = "Published values depart from stations: look at both on the map page, then retrain or roll the model back."


class AlertsOverdueError(WatchError):
    code = "SM809"
    remedy = "Alerts do not go out: correct the channel that is named (settings SM_ALERT_*); they wait until then."


class OutsideError(WatchError):
    code = "SM810"
    transient = True
    remedy = "The address does not give what it should: check the web server, its certificate, the proxy, the setting."
