{{ reconcile_counts_30d(ref('q08_environment_reliability'), ref('environments'), 'environment') }}
