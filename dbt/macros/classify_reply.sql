{# Class of a text that a person or their mailbox wrote, by headers and key words; the first rule that holds wins. #}
{% macro classify_reply(subject, body, headers) -%}
    case
        when regexp_matches(
            lower(coalesce({{ headers }}, '')),
            'auto-submitted:\s*auto-(replied|generated)|x-autore(ply|spond)|x-autoresponse|precedence:\s*auto_reply'
        ) or regexp_matches(
            lower(coalesce({{ subject }}, '')),
            '^\s*(automatic reply|auto[- ]?reply|autoreply|out of (the )?office|abwesenheit|r.ponse automatique)'
        ) or regexp_matches(
            lower(coalesce({{ body }}, '')),
            '^\s*(automatic reply|auto[- ]?reply)|out of (the )?office|on (parental|annual|sick) leave|nicht im b.ro'
            || '|on vacation until|limited access to (my )?e-?mail'
        ) then 'auto_reply'
        when regexp_matches(
            lower(coalesce({{ body }}, '')),
            'unsubscribe|opt(ed|ing)?[- ]?out|(remove|take|delete) (me|us|my \w+) (from|off)|(stop|quit) (e-?mailing'
            || '|mailing|texting|calling|contacting|writing|sending)|do not (e-?mail|contact|call|text|write)'
            || '|no more (e-?mails?|mails?|messages)|aus dem verteiler|abmelden|d.sinscri|delete my (data|details)'
            || '|^\W*(stop|quit|end|revoke|cancel|unsubscribe|opt out)\W*$'
        ) then 'opt_out'
        when regexp_matches(
            lower(coalesce({{ body }}, '')),
            '\bspam\b|\breport(ed|ing)? (you|this)|\bcomplain|\blawyer|\blegal action|\bharass'
            || '|how did you get my (address|e-?mail|number|contact)'
        ) then 'complaint'
        when regexp_matches(
            lower(coalesce({{ body }}, '')),
            'wrong (person|number|address|contact)|no longer (work|with|at|employed)|has left the company'
            || '|not the right (person|contact)|belongs to somebody else|never worked (there|here)'
        ) then 'wrong_person'
        when regexp_matches(
            lower(coalesce({{ body }}, '')),
            'not interested|no interest|\bno,? thank|no need for|not for us|(went|going|gone) with (another|a different)'
            || '|please don.t|kein interesse|pas int.ress'
        ) then 'refusal'
        when regexp_matches(
            lower(coalesce({{ body }}, '')),
            'not (right )?now|bad (moment|time)|next (quarter|year|month)|budget freeze|in (two|three|six|\d+) months'
            || '|after the (summer|holidays)|get back to me'
        ) then 'not_now'
        when regexp_matches(
            lower(coalesce({{ body }}, '')),
            '\?|interest|call me|\bdemo\b|\bquote\b|pric(e|ing)|send (me|details|more|over)|let.s (talk|meet|set)'
            || '|sounds good|\byes\b|schedule|more (info|details)|tell me more'
        ) then 'interested'
        else 'unsure'
    end
{%- endmacro %}

{# Whether a class keeps a reply from counting as a response. #}
{% macro is_discounted_reply(column) -%}
    coalesce({{ column }}, '') in ('auto_reply', 'opt_out', 'complaint', 'wrong_person', 'refusal')
{%- endmacro %}

{# Suppression reason (contracts.words.SuppressionReason) of a free text. #}
{% macro suppression_reason(column) -%}
    case
        when regexp_matches(lower(coalesce({{ column }}, '')), 'bounce|undeliver|unknown user|invalid') then 'hard_bounce'
        when regexp_matches(lower(coalesce({{ column }}, '')), 'complain|spam|abuse') then 'complaint'
        when regexp_matches(lower(coalesce({{ column }}, '')), 'object|refus') then 'objection'
        when regexp_matches(lower(coalesce({{ column }}, '')), 'unsub|opt|stop|revoke') then 'opt_out'
        else 'do_not_contact'
    end
{%- endmacro %}

{# Whether a user agent is a proxy or scanner that opens and clicks by itself. #}
{% macro is_machine_agent(column) -%}
    regexp_matches(
        lower(coalesce({{ column }}, '')),
        'imageproxy|mailproxy|proofpoint|barracuda|mimecast|urldefense|url-defense|safelinks|scanner|bot\b|crawler'
        || '|^mozilla/5\.0$'
    )
{%- endmacro %}
