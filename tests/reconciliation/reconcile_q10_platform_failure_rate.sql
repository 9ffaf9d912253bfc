{{ reconcile_counts_30d(ref('q10_platform_failure_rate'), ref('platforms'), 'platform') }}
