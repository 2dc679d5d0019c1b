"""The enumerations that events are written in."""

from enum import StrEnum


class Word(StrEnum):
    """Base of enumerations whose members are looked up at every payment."""

    # Enum hashes a member's name in Python; a text's own hash does as well and costs a tenth.
    __hash__ = str.__hash__


class PaymentType(Word):
    """What the payment does with the money."""

    PURCHASE = "PURCHASE"
    CASH_WITHDRAWAL = "CASH_WITHDRAWAL"
    TRANSFER = "TRANSFER"
    REFUND = "REFUND"
    ACCOUNT_VERIFICATION = "ACCOUNT_VERIFICATION"


class Channel(Word):
    """Where the payer acts."""

    POS = "POS"
    ECOMMERCE = "ECOMMERCE"
    ATM = "ATM"
    MOTO = "MOTO"
    WALLET = "WALLET"
    BANK = "BANK"


class EntryMode(Word):
    """How the credential was read (the groups of ISO 8583 DE 22)."""

    CHIP = "CHIP"
    CONTACTLESS = "CONTACTLESS"
    MAGSTRIPE = "MAGSTRIPE"
    MANUAL = "MANUAL"
    ECOMMERCE = "ECOMMERCE"
    CREDENTIAL_ON_FILE = "CREDENTIAL_ON_FILE"


class OutcomeKind(StrEnum):
    """Who says how a payment turned out."""

    STEP_UP = "STEP_UP"
    FRAUD_REPORT = "FRAUD_REPORT"
    CHARGEBACK = "CHARGEBACK"
    ANALYST = "ANALYST"


class Verdict(StrEnum):
    """What an outcome says of the payment."""

    FRAUD = "FRAUD"
    GENUINE = "GENUINE"
    UNDECIDED = "UNDECIDED"


class ThreeDSStatus(StrEnum):
    """The eight ``transStatus`` values of EMV 3-D Secure."""

    Y = "Y"  # authenticated
    N = "N"  # not authenticated
    U = "U"  # could not be performed
    A = "A"  # attempted
    C = "C"  # challenge required
    D = "D"  # decoupled challenge required
    R = "R"  # rejected: do not authorise
    I = "I"  # informational only  # noqa: E741


class ConsentPurpose(StrEnum):
    """What a consent allows; fraud checks need none."""

    LOCATION_ALERTS = "LOCATION_ALERTS"
    TRADING_ALERTS = "TRADING_ALERTS"


class TradeSide(StrEnum):
    """Which way a trade goes, seen from the user."""

    BUY = "BUY"
    SELL = "SELL"
