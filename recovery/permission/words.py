"""Every reason in words, and what would unlock it."""

from __future__ import annotations

from typing import Final

from contracts.words import SkipReason

R = SkipReason

WORDS: Final[dict[SkipReason, str]] = {
    R.OPTED_OUT: "opted out of this channel",
    R.OBJECTED: "objected to marketing",
    R.COMPLAINED: "complained about a message",
    R.HARD_BOUNCED: "the address bounced for good",
    R.DO_NOT_CONTACT: "on the do-not-contact list",
    R.RESTRICTED: "asked that nothing be done with the data",
    R.NOT_NOW: "asked to be left alone until a date",
    R.SALE_OPT_OUT: "opted out of sale and sharing",
    R.PERMISSION_UNKNOWN: "the source shows no opt-outs, so nobody's wish is known",
    R.NO_ADDRESS: "no usable address for the channel",
    R.COUNTRY_UNKNOWN: "country missing",
    R.COUNTRY_CONFLICT: "sources disagree about the country and the strictest rule asks for consent",
    R.TIME_ZONE_UNKNOWN: "time zone missing",
    R.CONSENT_REQUIRED: "the country's rule asks for consent and none is recorded",
    R.CONSENT_INCOMPLETE: "consent is recorded, but not all that the rule asks for",
    R.CALL_GROUND_REQUIRED: "no business line, no recent scrub of the national list and no live relationship",
    R.REGISTRATION_REQUIRED: "the state asks the caller to register first",
    R.NO_PERMITTED_HOUR: "no permitted hour before the contact expires",
    R.RULES_CHANGED: "the rules changed after the approval",
    R.BASIS_EXPIRED: "the ground for contact has expired",
    R.TOO_LONG_DORMANT: "silent for longer than e-mail may go back",
    R.NEVER_ENGAGED: "never got in touch",
    R.RECENTLY_PLANNED: "is in a batch of an earlier day within the contact gap",
    R.GLOBAL_HOLDOUT: "in the group that is never contacted, for comparison",
    R.CAPACITY: "the day's capacity went to others",
    R.ACCOUNT_CAP: "enough people of the same account are in the batch",
    R.FREQUENCY_CAP: "contacted often enough, no step of the playbook is due, or a better lead shares the address",
    R.UNSCORED: "has no score",
    R.CHANNEL_DISABLED: "no channel is switched on for this person",
    R.NOT_WORTH_IT: "expected value does not cover the cost",
    R.SOURCE_SILENT: "a source fell silent, so everyone looks dormant",
    R.SEVERE_DRIFT: "today's leads differ severely from those that the model knows",
    R.PAUSED: "emission is paused",
    R.SENDER_UNKNOWN: "who sends is not fully declared",
    R.RENDER_FAILED: "the message could not be written safely",
    R.NOT_NEWEST_DATE: "only the newest day contacts anybody",
}

UNLOCK: Final[dict[SkipReason, str]] = {
    R.OPTED_OUT: "Only a new consent that the person gives of their own accord.",
    R.OBJECTED: "Only a new consent that the person gives of their own accord.",
    R.COMPLAINED: "Only a new consent that the person gives of their own accord.",
    R.HARD_BOUNCED: "Correct the address in the CRM.",
    R.DO_NOT_CONTACT: "Removal from your do-not-contact list at the person's own wish.",
    R.RESTRICTED: "Only the person can lift the restriction.",
    R.NOT_NOW: "Wait for the date that the person named.",
    R.SALE_OPT_OUT: "Only a new consent that the person gives of their own accord, at the earliest after 12 months.",
    R.PERMISSION_UNKNOWN: "Export the opt-out column or the unsubscribe list of this source too.",
    R.NO_ADDRESS: "Add an e-mail address or a phone number in the CRM.",
    R.COUNTRY_UNKNOWN: "Declare it per source (`declaration.country` in sources.yml), or export the country column.",
    R.COUNTRY_CONFLICT: "Correct the country in the CRM, or record consent.",
    R.TIME_ZONE_UNKNOWN: "Export state, phone or time zone of the person.",
    R.CONSENT_REQUIRED: "Record consent or soft opt-in, with how and when it was given, in a permissions file.",
    R.CONSENT_INCOMPLETE: "Record number, seller, disclosure version, moment, source and IP or URL of the consent.",
    R.CALL_GROUND_REQUIRED: (
        "A national do-not-call scrub of the last 31 days, proof of a business line, a new inquiry or consent."
    ),
    R.REGISTRATION_REQUIRED: "Register, then record it: RECOVERY_REGISTRATIONS='[\"tx_registration\"]'.",
    R.NO_PERMITTED_HOUR: "Plan it again; correct the zone, state or country if they contradict each other.",
    R.RULES_CHANGED: "Plan and approve again under the rules of today.",
    R.BASIS_EXPIRED: "A new inquiry, a new purchase or recorded consent.",
    R.TOO_LONG_DORMANT: "A call, or a higher RECOVERY_MAX_DORMANCY_DAYS.",
    R.NEVER_ENGAGED: "Nothing: people who never got in touch are not leads to recover.",
    R.RECENTLY_PLANNED: "Wait until RECOVERY_CONTACT_GAP_DAYS have passed.",
    R.GLOBAL_HOLDOUT: "Nothing: this group shows what happens without contact; it is drawn anew each half-year.",
    R.CAPACITY: "Raise RECOVERY_CAPACITY_EMAIL or wait for a later day.",
    R.ACCOUNT_CAP: "Raise RECOVERY_ACCOUNT_CAP, or wait for a later day.",
    R.FREQUENCY_CAP: "Wait for the caps' window (RECOVERY_FREQUENCY_CAPS), the next step or a new dormancy spell.",
    R.UNSCORED: "Enough history for a score; the report names why it is missing.",
    R.CHANNEL_DISABLED: "Give a channel of the playbook a capacity above zero.",
    R.NOT_WORTH_IT: "A cheaper channel, or a larger deal amount in the CRM.",
    R.SOURCE_SILENT: "Deliver a fresh export of the silent source.",
    R.SEVERE_DRIFT: "Look at the drift report; the plan returns when the shift is understood and retrained.",
    R.PAUSED: "Run `recovery resume`, and leave NURTURING_AGENT_ENABLED on.",
    R.SENDER_UNKNOWN: (
        "Set RECOVERY_SENDER_NAME, RECOVERY_SENDER_POSTAL_ADDRESS, RECOVERY_SENDER_FROM_ADDRESS and "
        "RECOVERY_UNSUBSCRIBE_URL (https), or run `recovery init`."
    ),
    R.RENDER_FAILED: "Correct the person's fields in the CRM.",
    R.NOT_NEWEST_DATE: "Nothing: a past day is recomputed for the record and contacts nobody.",
}
