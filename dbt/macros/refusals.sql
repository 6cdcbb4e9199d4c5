{# Refusals that the columns of a person's record mean: a row per column, its channel null where it refuses nothing. #}
{% macro refused_by_columns(relation) -%}
    select
        record_key,
        source,
        unnest([
            case when is_opted_out_email then 'email' end,
            case when is_do_not_call then 'call' end,
            case when is_do_not_call then 'sms' end,
            case when is_dnd then 'all' end,
            case
                when json_extract_string(dnd_settings, '$.Email.status') in ('active', 'permanent') then 'email'
            end,
            case when json_extract_string(dnd_settings, '$.SMS.status') in ('active', 'permanent') then 'sms' end,
            case when json_extract_string(dnd_settings, '$.Call.status') in ('active', 'permanent') then 'call' end,
            case when bounced_at is not null then 'email' end,
            case when {{ is_refusing_label('legal_basis') }} then 'all' end
        ]) as channel,
        unnest([
            'opt_out', 'do_not_contact', 'do_not_contact', 'do_not_contact', 'opt_out', 'opt_out', 'opt_out',
            'hard_bounce', 'objection'
        ]) as basis,
        unnest([
            'opt-out column', 'do-not-call column', 'do-not-call column', 'dnd column', 'dnd settings', 'dnd settings',
            'dnd settings', 'bounce column', 'legal basis column'
        ]) as evidence,
        exported_at
    from {{ relation }}
{%- endmacro %}

{# Whether an activity is a refusal. #}
{% macro is_refusal() -%}
    (
        kind in ('complaint', 'opt_out')
        or reply_class = 'hard_bounce'
        or reply_class in ('complaint', 'opt_out', 'refusal')
    )
{%- endmacro %}

{# What an activity that is a refusal refuses. #}
{% macro refusal_channel() -%}
    case when kind = 'bounce' or kind = 'opt_out' then 'email' else 'all' end
{%- endmacro %}

{# Ground of an activity that is a refusal. #}
{% macro refusal_basis() -%}
    case
        when kind = 'bounce' then 'hard_bounce'
        when kind = 'complaint' or reply_class = 'complaint' then 'complaint'
        when reply_class = 'refusal' then 'objection'
        else 'opt_out'
    end
{%- endmacro %}

{# Where an activity that is a refusal was seen. #}
{% macro refusal_evidence() -%}
    case when kind in ('bounce', 'complaint', 'opt_out') then 'mail event' else 'words of a reply' end
{%- endmacro %}

{# Whether the basis of a permission file's row is a refusal: all that is no ground (contracts.words.Basis). #}
{% macro is_refusing_basis(column) -%}
    coalesce(
        {{ column }} not in (
            'express_consent', 'written_consent', 'inquiry', 'purchase', 'soft_opt_in', 'relationship',
            'opt_out_column', 'business_line', 'absent_from_national_list', 'on_national_list', 'unconfirmed_consent'
        ),
        true
    )
{%- endmacro %}

{# Whether a label of HubSpot's "Legal basis for processing contact's data" says that the person refused. #}
{% macro is_refusing_label(label) -%}
    regexp_matches(
        {{ label }},
        'withdr[ae]w|revok|object(ed|ion|s\b)|refus|reject|declin|opt(ed)?[ -]?out|unsubscri|do not|restrict',
        'i'
    )
{%- endmacro %}

{# Ground that a label of HubSpot's legal basis states; null for words that are not its own. #}
{% macro ground_of_label(label) -%}
    case regexp_replace(replace(lower(trim({{ label }})), '–', '-'), '\s+', ' ', 'g')
        when 'freely given consent from contact' then 'express_consent'
        when 'legitimate interest - prospect/lead' then 'relationship'
        when 'legitimate interest - existing customer' then 'relationship'
        when 'legitimate interest - other' then 'relationship'
        when 'performance of a contract' then 'relationship'
        when 'not applicable' then 'none'
        when '' then 'none'
    end
{%- endmacro %}
