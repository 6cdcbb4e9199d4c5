"""GoHighLevel exports: API names, ISO times with Z; permission sits in `dnd` and `dndSettings`."""

from __future__ import annotations

from typing import Final

from simulation.csvfiles import FileSpec
from simulation.formats import gohighlevel_time as t
from simulation.formats import moment

Columns = dict[str, str]

CONTACTS: Final = FileSpec(
    "gohighlevel", "contacts.csv", "contacts", "dateAdded", encoding="latin-1", text_columns=("jobTitle",)
)
MESSAGES: Final = FileSpec(
    "gohighlevel", "messages.csv", "messages", "dateAdded", incremental=True, text_columns=("body",)
)
APPOINTMENTS: Final = FileSpec("gohighlevel", "appointments.csv", "appointments", "startTime", incremental=True)
OPPORTUNITIES: Final = FileSpec("gohighlevel", "opportunities.csv", "opportunities", "createdAt")

_DND = "is_opted_out or complained < $cut or bounced < $cut and score_noise < 0.7"
CONTACT_COLUMNS: Final[Columns] = {
    "id": "record_id",
    "dateAdded": t(moment("created")),
    "firstName": "first_name",
    "lastName": "last_name",
    "email": "email",
    "phone": "phone",
    "jobTitle": "title",
    "companyName": "company",
    "country": "country_text",
    "state": "state_text",
    "city": "case when has_state and not no_country then city end",
    "timezone": "case when has_zone then zone end",
    "source": "source_text",
    "type": "case when is_customer = 1 then 'customer' else 'lead' end",
    "tags": (
        "case when disqualified then case disqualified_why when 1 then 'employee' when 2 then 'partner' "
        "when 3 then 'competitor' else 'unqualified' end "
        "when last_act > $cut - 2592000 then 'engaged;hot' when has_consent then 'newsletter opt-in' end"
    ),
    "assignedTo": "owner_name",
    "lastSessionActivityAt": t(moment("last_event")),
    "dateUpdated": t(moment("greatest(last_event, created)")),
    "dnd": f"case when ({_DND}) and not flag_disagrees then 'true' else 'false' end",
    "dndSettings": (
        "case when is_opted_out then "
        """'{"Email":{"status":"active","message":"unsubscribed"},"SMS":{"status":"inactive"}}' """
        "when complained < $cut then "
        """'{"Email":{"status":"permanent","message":"spam complaint"},"SMS":{"status":"active"}}' """
        "when bounced < $cut then "
        """'{"Email":{"status":"permanent","message":"hard bounce"},"SMS":{"status":"inactive"}}' """
        "else '{}' end"
    ),
    "deleted": "case when deleted < $cut then 'true' else 'false' end",
}
MESSAGE_COLUMNS: Final[Columns] = {
    "id": "event_hex",
    "contactId": "record_id",
    "messageType": (
        "case when kind in (1, 7, 20) then 'TYPE_EMAIL' when kind = 5 then "
        "case when event % 4 = 0 then 'TYPE_LIVE_CHAT' else 'TYPE_SMS' end "
        "when kind = 12 then 'TYPE_SMS' when kind in (3, 8) then 'TYPE_CALL' else 'TYPE_FORM' end"
    ),
    "direction": "case when kind in (1, 2, 3, 5) then 'inbound' else 'outbound' end",
    "status": (
        "case when kind in (1, 2, 5) then 'received' when kind = 3 or kind = 8 and intent = 1 then 'completed' "
        "when kind = 8 then 'no-answer' when kind = 7 then 'delivered' "
        "when kind = 20 and intent >= 3 then 'failed' "
        "when kind = 20 and intent = 2 then 'clicked' when kind = 20 and intent = 1 then 'opened' else 'delivered' end"
    ),
    "dateAdded": t("at_time"),
    "subject": "case when kind in (1, 7, 20) then subject when kind = 2 then subject end",
    "body": "body",
    "source": "case when kind in (12, 20) then case when lane = 0 then 'workflow' else 'campaign' end else 'app' end",
    "userId": "case when kind in (7, 8) then owner_name end",
    "replyToMessageId": "reply_hex",
}
MESSAGE_FILTER: Final = "crm = 2 and kind in (1, 2, 3, 5, 7, 8, 12, 20)"
APPOINTMENT_COLUMNS: Final[Columns] = {
    "id": "event_hex",
    "contactId": "record_id",
    "dateAdded": t("at_time"),
    "startTime": t("start_time"),
    "appointmentStatus": (
        "case when starts >= $cut then 'confirmed' when event % 10 < 7 then 'showed' "
        "when event % 10 < 9 then 'noshow' else 'cancelled' end"
    ),
    "title": "subject",
    "source": "case when kind = 4 then 'booking_widget' else 'app' end",
    "assignedUserId": "owner_name",
}
APPOINTMENT_FILTER: Final = "crm = 2 and kind in (4, 11)"
OPPORTUNITY_COLUMNS: Final[Columns] = {
    "id": "'opp' || lpad(deal_number::varchar, 12, '0')",
    "createdAt": t("created_time"),
    "contactId": "record_id",
    "name": "company || ' - new business'",
    "pipelineStageId": "case when not is_closed then 'proposal' when won then 'won' else 'lost' end",
    "monetaryValue": "case when deal_number % 17 = 0 then '0' else amount::varchar end",
    "currency": "currency",
    "status": "case when not is_closed then 'open' when won then 'won' else 'lost' end",
    "lastStatusChangeAt": t("case when is_closed then close_time else created_time end"),
    "assignedTo": "owner_name",
}
