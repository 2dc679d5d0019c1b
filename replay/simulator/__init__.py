"""A labelled stream of believable users, of any size, from one seed.

What is drawn, and how:

*People* live in one of nine metropolitan areas with real time zones. They have a home, mostly a job, an
income (log-normal), a taste (a weight per category) and a few favourite shops per category, taken by
popularity and by distance from home or work. They pay about twice a day: a Poisson number of errands, more on
Fridays and Saturdays and after payday, each at an hour that suits its category, in opening hours, with time
for the way between two shops. Some amounts repeat monthly (subscriptions); some purchases are returned.
Phones are replaced and cards renewed. Trips abroad come after exponential waits, with a flight of believable
length at both ends.

*Shops* exist per city and category, popular by rank (Zipf), with prices, chains and opening hours of their
own.

*Frauds* hit people after exponential waits, so that about ``fraud_rate`` of all payments are fraud:

=======================  =================================================================================
``stolen_card_burst``    a small online test, then two to six big purchases in shops around
``account_takeover``     at night, new device far away: verification, then growing transfers to a new payee
``card_not_present``     four to ten online merchants in an hour or two, some abroad, card typed in by hand
``skimming``             a copied magnetic stripe draws cash in another city while its owner is at home
``gift_card_drain``      gift cards in round sums, minutes apart, from a new device
``merchant_compromise``  some customers of one leaking shop are hit online, days later
``friendly_fraud``       an ordinary online purchase that its buyer disputes
=======================  =================================================================================

Labels are :class:`~detectors.events.Outcome` events: reports by the victim after some days (median 3) or
chargebacks after some weeks (median 16 days), with the pattern's name as ``code``. Some frauds are never
reported. How a step-up ends is the server's business and not simulated.

*Market*: candles of three assets by a GARCH(1, 1) walk with jumps; owners trade, most of all after big moves.

Every draw comes from a generator seeded with a hash of the seed and the name of what is drawn. So nothing
depends on hash randomisation or on another draw, and any day of any person can be drawn again alone.
"""

from replay.simulator.params import SimulatorParams
from replay.simulator.sample import SAMPLE, sample_path, write_sample
from replay.simulator.stream import SimulatedEvent, simulate

__all__ = ["SAMPLE", "SimulatedEvent", "SimulatorParams", "sample_path", "simulate", "write_sample"]
