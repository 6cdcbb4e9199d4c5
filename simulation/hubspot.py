"""HubSpot exports: UI labels, times as `YYYY-MM-DD HH:MM` in UTC."""

from __future__ import annotations

from typing import Final

from simulation.csvfiles import FileSpec
from simulation.formats import hubspot_time as t
from simulation.formats import moment

Columns = dict[str, str]

CONTACTS: Final = FileSpec(
    "hubspot", "contacts.csv", "contacts", "Create Date", encoding="utf-8-sig", text_columns=("Job Title",)
)
COMPANIES: Final = FileSpec("hubspot", "companies.csv", "companies", "Create Date", encoding="latin-1")
ACTIVITIES: Final = FileSpec(
    "hubspot", "activities.csv", "activities", "Activity date", incremental=True,
    text_columns=("Email body", "Email headers", "Email subject"),
)  # fmt: skip
EMAIL_EVENTS: Final = FileSpec("hubspot", "email_events.csv", "email_events", "Event date", incremental=True)
DEALS: Final = FileSpec("hubspot", "deals.csv", "deals", "Create Date")
SUPPRESSIONS: Final = FileSpec(
    "hubspot", "unsubscribes_and_bounces.csv", "suppressions", "Date", date_format="%d/%m/%Y %H:%M"
)

CONTACT_COLUMNS: Final[Columns] = {
    "Record ID": "record_id",
    "Create Date": t(moment("created")),
    "First Name": "first_name",
    "Last Name": "last_name",
    "Email": "email",
    "Phone Number": "phone",
    "Mobile Phone Number": "mobile",
    "Job Title": "title",
    "Company Name": "company",
    "Associated Company IDs": "(20000000000 + company_number)::varchar",
    "Industry": "case when has_industry then industry end",
    "Country/Region": "country_text",
    "State/Region": "state_text",
    "City": "case when has_state and not no_country then city end",
    "Contact time zone": "case when has_zone then zone end",
    "Original Source": "source_text",
    "First Conversion Date": "case when last_act > 0 and source < 6 then " + t(moment("created")) + " end",
    "Merged contact IDs": ("case when slot = 0 and second_merged < $cut then (10000000000 + pid * 4 + 2)::varchar end"),
    "Contact owner": "owner_name",
    "Lifecycle Stage": (
        "case when is_customer = 1 then 'Customer' when had_deal = 1 then 'Opportunity' "
        "when last_act > $cut - 3888000 then 'Sales Qualified Lead' when last_act > 0 then 'Lead' else 'Subscriber' end"
    ),
    "Lead Status": (
        "case when disqualified then "
        "case disqualified_why when 0 then 'Unqualified' when 1 then 'Employee' when 2 then 'Partner' "
        "else 'Competitor' end "
        "when last_act > $cut - 2592000 then 'Connected' when last_act > 0 then 'Attempted to contact' else 'New' end"
    ),
    "HubSpot Score": "(20 + 40 * (last_act > $cut - 2592000)::int + 30 * score_noise)::int::varchar",
    "Last Activity Date": t(moment("last_event")),
    "Last Modified Date": t(moment("greatest(last_event, created)")),
    "Currently in Sequence": "case when in_sequence then 'true' else 'false' end",
    "Unsubscribed from all email": "case when is_opted_out and not flag_disagrees then 'true' else 'false' end",
    "Legal basis for processing contact's data": (
        "case when has_consent then 'Freely given consent from contact' "
        "when score_noise < 0.2 then 'Legitimate interest – prospect/lead' end"
    ),
    "Favourite colour": "case when score_noise < 0.05 then 'teal' end",
}

COMPANY_COLUMNS: Final[Columns] = {
    "Record ID": "(20000000000 + company_number)::varchar",
    "Create Date": t("make_timestamp(min(created) * 1000000)"),
    "Company name": "company",
    "Company Domain Name": "domain",
    "Industry": "any_value(industry)",
    "Number of Employees": "any_value(employees)::varchar",
    "Annual Revenue": "(any_value(employees) * 90000)::varchar",
    "Country/Region": "case when account % 10 < 8 then any_value(country) end",
    "State/Region": "case when account % 10 < 8 then any_value(state) end",
}

_TYPE = (
    "case kind when 1 then 'EMAIL' when 5 then 'EMAIL' when 7 then 'EMAIL' when 2 then 'FORM_SUBMISSION' "
    "when 3 then 'CALL' when 8 then 'CALL' when 4 then 'MEETING' when 11 then 'MEETING' when 6 then 'PAGE_VIEW' "
    "when 9 then 'NOTE' when 10 then 'TASK' end"
)
MEETING_OUTCOME: Final = (
    "case when starts >= $cut then 'SCHEDULED' when event % 10 < 7 then 'COMPLETED' "
    "when event % 10 < 9 then 'NO_SHOW' else 'CANCELED' end"
)
ACTIVITY_COLUMNS: Final[Columns] = {
    "Record ID": "event_number",
    "Associated Contact IDs": "record_id",
    "Activity type": _TYPE,
    "Activity date": t("start_time"),
    "Create Date": t("at_time"),
    "Email direction": (
        "case when kind in (1, 5) then 'INCOMING_EMAIL' when kind = 7 then 'EMAIL' when kind = 3 then 'INBOUND' "
        "when kind = 8 then 'OUTBOUND' end"
    ),
    "Activity assigned to": "case when kind in (7, 8, 9, 10, 11) then owner_name end",
    "Email subject": "subject",
    "Email body": "body",
    "Email headers": "case when kind in (1, 5) then case when intent = 4 then $auto_headers else $headers end end",
    "Call outcome": (
        "case when kind = 3 or kind = 8 and intent = 1 then 'Connected' when kind = 8 then 'No answer' "
        f"when kind in (4, 11) then {MEETING_OUTCOME} "
        "when kind = 10 then case when starts + 86400 < $cut then 'COMPLETED' else 'NOT_STARTED' end end"
    ),
    "In reply to": "reply_number",
    "Activity source": (
        "case when kind in (2, 6) then 'FORMS_AND_PAGES' when kind = 4 then 'MEETINGS' "
        "when kind in (1, 5) then 'EMAIL_INTEGRATION' else 'CRM_UI' end"
    ),
}
ACTIVITY_FILTER: Final = "crm = 0 and kind <= 11"

EMAIL_EVENT_COLUMNS: Final[Columns] = {
    "Event ID": "event_number",
    "Event type": (
        "case kind when 20 then 'SENT' when 21 then 'DELIVERED' when 22 then 'OPEN' when 27 then 'OPEN' "
        "when 23 then 'CLICK' when 28 then 'CLICK' when 24 then 'BOUNCE' when 29 then 'BOUNCE' "
        "when 25 then 'STATUSCHANGE' else 'SPAMREPORT' end"
    ),
    "Event date": t("at_time"),
    "Recipient": "mail_address",
    "Email campaign ID": "(500000 + campaign)::varchar",
    "Sent event ID": "case when kind > 20 then (500000 + campaign)::varchar || '-' || pid::varchar end",
    "Filtered event": (
        "case when kind = 28 and event % 10 < 7 or kind = 27 and event % 10 < 5 then 'true' else 'false' end"
    ),
    "Bounce category": "case kind when 24 then 'UNKNOWN_USER' when 29 then 'MAILBOX_FULL' end",
    "User agent": (
        "case kind when 27 then $machine[(event % 3)::int + 1] when 28 then $scanner[(event % 2)::int + 1] "
        "when 22 then $human[(event % 3)::int + 1] when 23 then $human[(event % 3)::int + 1] end"
    ),
    "URL": "case when kind in (23, 28) then 'https://www.sender.example/offer' end",
}
EMAIL_EVENT_FILTER: Final = "crm = 0 and kind >= 20"

DEAL_COLUMNS: Final[Columns] = {
    "Record ID": "(30000000000 + deal_number)::varchar",
    "Create Date": t("created_time"),
    "Associated Contact IDs": "record_id",
    "Associated Company IDs": "(20000000000 + company_number)::varchar",
    "Deal Name": "company || ' - new business'",
    "Pipeline": "'Sales Pipeline'",
    "Deal Stage": "case when not is_closed then 'Proposal' when won then 'Closed Won' else 'Closed Lost' end",
    "Amount": "case when deal_number % 17 = 0 then '0' else amount::varchar end",
    "Deal Currency": "currency",
    "Close Date": t("close_time"),
    "Is Closed Won": "case when is_closed and won then 'true' else 'false' end",
    "Is Deal Closed?": "case when is_closed then 'true' else 'false' end",
    "Deal owner": "owner_name",
}
DEAL_COLUMNS["Currency"] = DEAL_COLUMNS.pop("Deal Currency")

SUPPRESSION_COLUMNS: Final[Columns] = {
    "Email address": "mail_address",
    "Reason": "reason",
    "Date": "strftime(at_time, '%d/%m/%Y %H:%M')",
}
