"""Salesforce exports: API names, ISO times with +0000."""

from __future__ import annotations

from typing import Final

from simulation.csvfiles import FileSpec
from simulation.formats import known, moment
from simulation.formats import salesforce_time as t

Columns = dict[str, str]

LEADS: Final = FileSpec("salesforce", "leads.csv", "leads", "CreatedDate", text_columns=("Title",))
CONTACTS: Final = FileSpec("salesforce", "contacts.csv", "contacts", "CreatedDate", text_columns=("Title",))
ACCOUNTS: Final = FileSpec("salesforce", "accounts.csv", "accounts", "CreatedDate")
TASKS: Final = FileSpec(
    "salesforce", "tasks.csv", "tasks", "CreatedDate", incremental=True, text_columns=("Description",)
)
EVENTS: Final = FileSpec("salesforce", "events.csv", "events", "CreatedDate", incremental=True)
EMAIL_MESSAGES: Final = FileSpec(
    "salesforce", "email_messages.csv", "email_messages", "MessageDate", incremental=True,
    text_columns=("TextBody", "Headers"),
)  # fmt: skip
OPPORTUNITIES: Final = FileSpec("salesforce", "opportunities.csv", "opportunities", "CreatedDate")
SUPPRESSIONS: Final = FileSpec(
    "salesforce", "do_not_contact.csv", "suppressions", "CreatedDate", date_format="%m/%d/%Y %H:%M"
)

_BOOL = "case when {} then 'true' else 'false' end"
_MERGED = "slot = 2 and merged < $cut"
_PERSON: Final[Columns] = {
    "Id": "record_id",
    "CreatedDate": t(moment("created")),
    "FirstName": "first_name",
    "LastName": "last_name",
    "Email": "email",
    "Phone": "phone",
    "MobilePhone": "mobile",
    "Title": "title",
    "Company": "company",
    "Industry": "case when has_industry then industry end",
    "NumberOfEmployees": "employees::varchar",
    "Country": "country_text",
    "State": "state_text",
    "City": "case when has_state and not no_country then city end",
    "LeadSource": "source_text",
    "OwnerId": "owner_name",
    "Status": (
        "case when disqualified then 'Unqualified' when had_deal = 1 then 'Qualified' "
        "when last_act > $cut - 2592000 then 'Working - Contacted' else 'Open - Not Contacted' end"
    ),
    "Rating": "case when last_act > $cut - 3888000 then 'Hot' when last_act > 0 then 'Warm' else 'Cold' end",
    "LastActivityDate": t(moment("last_event")),
    "LastModifiedDate": t(moment("greatest(last_event, created)")),
    "MasterRecordId": f"case when {_MERGED} then master_id end",
    "HasOptedOutOfEmail": _BOOL.format("is_opted_out and not flag_disagrees"),
    "DoNotCall": _BOOL.format("is_opted_out and score_noise > 0.7"),
    "EmailBouncedDate": t(known("bounced")),
    "EmailBouncedReason": "case when bounced < $cut then '550 5.1.1 user unknown' end",
    "IsDeleted": _BOOL.format(f"deleted < $cut or {_MERGED}"),
}
LEAD_COLUMNS: Final[Columns] = _PERSON | {
    "IsConverted": _BOOL.format("converted < $cut"),
    "ConvertedDate": t(known("converted")),
    "ConvertedContactId": "case when converted < $cut then '0035e' || lpad((rid + 3)::varchar, 10, '0') || 'AAA' end",
}
CONTACT_COLUMNS: Final[Columns] = {
    {"Company": "AccountId", "Country": "MailingCountry", "State": "MailingState", "City": "MailingCity"}.get(k, k): (
        "'0015e' || lpad(company_number::varchar, 10, '0') || 'AAA'" if k == "Company" else v
    )
    for k, v in _PERSON.items()
    if k not in ("Status", "NumberOfEmployees", "Industry", "Rating")
}
ACCOUNT_COLUMNS: Final[Columns] = {
    "Id": "'0015e' || lpad(company_number::varchar, 10, '0') || 'AAA'",
    "CreatedDate": t("make_timestamp(min(created) * 1000000)"),
    "Name": "company",
    "Website": "'https://www.' || domain",
    "Industry": "any_value(industry)",
    "NumberOfEmployees": "any_value(employees)::varchar",
    "AnnualRevenue": "(any_value(employees) * 90000)::varchar",
    "BillingCountry": "case when account % 10 < 8 then any_value(country) end",
    "BillingState": "case when account % 10 < 8 then any_value(state_code) end",
    "IsDeleted": "'false'",
}
TASK_COLUMNS: Final[Columns] = {
    "Id": "'00T' || substr(event_hex, 2)",
    "WhoId": "record_id",
    "AccountId": "case when not is_lead then '0015e' || lpad(company_number::varchar, 10, '0') || 'AAA' end",
    "CreatedDate": t("at_time"),
    "ActivityDate": "strftime(start_time, '%Y-%m-%d')",
    "CompletedDateTime": (
        f"case when kind <> 10 then {t('at_time')} when starts + 86400 < $cut then {t('start_time')} end"
    ),
    "Status": "case when kind = 10 and starts + 86400 >= $cut then 'Not Started' else 'Completed' end",
    "TaskSubtype": "case when kind in (3, 8) then 'Call' when kind = 7 then 'Email' else 'Task' end",
    "Type": "case when kind = 2 then 'Web Form' when kind in (3, 8) then 'Call' when kind = 7 then 'Email' end",
    "CallType": "case kind when 3 then 'Inbound' when 8 then 'Outbound' end",
    "CallDisposition": (
        "case when kind = 3 or kind = 8 and intent = 1 then 'Connected' when kind = 8 then 'No answer' end"
    ),
    "Subject": "case when kind = 7 then 'Email: ' else '' end || coalesce(subject, 'Note')",
    "Description": "case when kind <> 7 then body end",
    "OwnerId": "case when kind = 2 then 'automation' else owner_name end",
    "IsDeleted": "'false'",
}
TASK_FILTER: Final = "crm = 1 and kind in (2, 3, 7, 8, 9, 10)"
EVENT_COLUMNS: Final[Columns] = {
    "Id": "'00U' || substr(event_hex, 2)",
    "WhoId": "record_id",
    "CreatedDate": t("at_time"),
    "StartDateTime": t("start_time"),
    "Subject": "subject",
    "Type": "'Meeting'",
    "Booked_By__c": "case when kind = 4 then 'Prospect' else 'Rep' end",
    "OwnerId": "owner_name",
    "IsDeleted": "'false'",
}
EVENT_FILTER: Final = "crm = 1 and kind in (4, 11)"
EMAIL_COLUMNS: Final[Columns] = {
    "Id": "'02s' || substr(event_hex, 2)",
    "RelatedToId": "record_id",
    "MessageDate": t("at_time"),
    "CreatedDate": t("at_time"),
    "Incoming": _BOOL.format("kind in (1, 5)"),
    "FromAddress": "case when kind in (1, 5) then mail_address else 'team@sender.example' end",
    "ToAddress": "case when kind in (1, 5) then 'team@sender.example' else mail_address end",
    "Subject": "subject",
    "TextBody": "body",
    "Headers": "case when kind in (1, 5) then case when intent = 4 then $auto_headers else $headers end end",
    "ReplyToEmailMessageId": "case when reply_hex is not null then '02s' || substr(reply_hex, 2) end",
    "IsBounced": _BOOL.format("kind = 20 and intent = 3"),
    "Automated__c": _BOOL.format("kind = 20"),
    "FirstOpenedDate": f"case when kind = 20 and event % 100 < 45 then {t('at_time')} end",
}
EMAIL_FILTER: Final = "crm = 1 and kind in (1, 5, 7, 20)"
OPPORTUNITY_COLUMNS: Final[Columns] = {
    "Id": "'0065e' || lpad(deal_number::varchar, 10, '0') || 'AAA'",
    "CreatedDate": t("created_time"),
    "ContactId": "record_id",
    "AccountId": "'0015e' || lpad(company_number::varchar, 10, '0') || 'AAA'",
    "Name": "company || ' - new business'",
    "StageName": "case when not is_closed then 'Proposal' when won then 'Closed Won' else 'Closed Lost' end",
    "Amount": "case when deal_number % 17 = 0 then '0' else amount::varchar end",
    "CurrencyIsoCode": "currency",
    "CloseDate": "strftime(close_time, '%Y-%m-%d')",
    "IsWon": _BOOL.format("is_closed and won"),
    "IsClosed": _BOOL.format("is_closed"),
    "OwnerId": "owner_name",
    "IsDeleted": "'false'",
}
SUPPRESSION_COLUMNS: Final[Columns] = {
    "Email": "mail_address",
    "Reason__c": "reason",
    "CreatedDate": "strftime(at_time, '%m/%d/%Y %H:%M')",
}
