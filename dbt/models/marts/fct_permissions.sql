with facts as (
    select * from {{ ref('int_permissions__facts') }}
),

links as (
    select * from {{ ref('int_person_links') }}
    where valid_to is null
)

select
    k.person_id,
    f.channel,
    f.stance,
    f.basis,
    f.evidence,
    f.source,
    min(f.since) as since,
    -- A merge lengthens no permission and shortens no refusal; null is no end.
    case
        when f.stance = 'allowed' then min(f.expires_at)
        when bool_and(f.expires_at is not null) then max(f.expires_at)
    end as expires_at,
    min(f.observed_at) as observed_at,
    f.collected_during,
    f.optout_offered_at_collection,
    -- What 47 CFR 64.1200(f)(9) asks of a written consent to texts; the number itself is checked in the ledger.
    bool_or(
        f.stance = 'allowed'
        and f.basis in ('express_consent', 'written_consent')
        and f.seller is not null
        and f.disclosure_version is not null
        and nullif(trim(f.evidence), '') is not null
    ) as has_full_record
from facts as f
inner join links as k on f.record_key = k.record_key
where f.observed_at < {{ as_of_at() }}
group by
    k.person_id, f.channel, f.stance, f.basis, f.evidence, f.source, f.collected_during, f.optout_offered_at_collection
order by all
