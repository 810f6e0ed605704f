"""Every setting that a database or a role may have: pinned, or why it need not be."""

from __future__ import annotations

# Those of texts, as a database may have them; none keeps a session from working.
ODD = {
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "array_nulls": "off",
    "xmloption": "document",
    "xmlbinary": "hex",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "escape_string_warning": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
}

# Why a setting changes nothing of what arrives, and those of which it is true.
HARMLESS = {
    "how a plan is found and run, not what it returns": """
        geqo geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias
        geqo_threshold constraint_exclusion cursor_tuple_fraction from_collapse_limit
        default_statistics_target join_collapse_limit plan_cache_mode
        recursive_worktable_factor cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost
        effective_cache_size jit_above_cost jit_inline_above_cost
        jit_optimize_above_cost min_parallel_index_scan_size
        min_parallel_table_scan_size parallel_setup_cost parallel_tuple_cost
        random_page_cost seq_page_cost enable_async_append enable_bitmapscan
        enable_distinct_reordering enable_gathermerge enable_group_by_reordering
        enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan
        enable_indexscan enable_material enable_memoize enable_mergejoin enable_nestloop
        enable_parallel_append enable_parallel_hash enable_partition_pruning
        enable_partitionwise_aggregate enable_partitionwise_join
        enable_presorted_aggregate enable_self_join_elimination enable_seqscan
        enable_sort enable_tidscan jit_expressions jit_tuple_deforming
        synchronize_seqscans debug_parallel_query force_parallel_mode
        debug_discard_caches stats_fetch_consistency""",
    "memory, files and workers; too little of it is an error with a name": """
        backend_flush_after effective_io_concurrency maintenance_io_concurrency
        io_combine_limit max_parallel_maintenance_workers max_parallel_workers
        max_parallel_workers_per_gather parallel_leader_participation file_copy_method
        temp_file_limit hash_mem_multiplier logical_decoding_work_mem
        maintenance_work_mem max_stack_depth temp_buffers work_mem
        gin_pending_list_limit wal_skip_threshold wal_compression wal_init_zero
        wal_recycle commit_delay commit_siblings wal_consistency_checking""",
    "VACUUM, which we never run": """
        vacuum_failsafe_age vacuum_freeze_min_age vacuum_freeze_table_age
        vacuum_multixact_failsafe_age vacuum_multixact_freeze_min_age
        vacuum_multixact_freeze_table_age vacuum_max_eager_freeze_failure_rate
        vacuum_cost_delay vacuum_cost_limit vacuum_cost_page_dirty vacuum_cost_page_hit
        vacuum_cost_page_miss vacuum_buffer_usage_limit vacuum_truncate""",
    "what is logged, shown and counted": """
        update_process_title application_name debug_pretty_print debug_print_parse
        debug_print_plan debug_print_rewritten log_connections log_disconnections
        log_duration log_error_verbosity log_lock_failures log_lock_waits
        log_parameter_max_length log_parameter_max_length_on_error
        log_replication_commands log_statement log_temp_files log_min_duration_sample
        log_min_duration_statement log_min_error_statement log_min_messages
        log_statement_sample_rate log_transaction_sample_rate log_executor_stats
        log_parser_stats log_planner_stats log_statement_stats track_activities
        track_cost_delay_timing track_counts track_functions track_io_timing
        track_wal_io_timing compute_query_id backtrace_functions trace_notify
        trace_sort jit_debugging_support jit_dump_bitcode jit_profiling_support
        client_min_messages plpgsql.extra_warnings plpgsql.print_strict_params""",
    "the language of messages: SQLSTATEs decide, and names are told": "lc_messages",
    "connections: a dead one is an error, and keepalives are the link's": """
        client_connection_check_interval tcp_keepalives_count tcp_keepalives_idle
        tcp_keepalives_interval tcp_user_timeout post_auth_delay
        postgres_fdw.application_name""",
    "logical and physical replication, which we do not use": """
        wal_sender_timeout debug_logical_replication_streaming output_plugin_libraries
        """,
    "verifiers are made by the driver, as SCRAM": """
        password_encryption scram_iterations md5_password_warnings""",
    "how soon a deadlock is looked for: it ends in 40P01 either way": """
        deadlock_timeout""",
    "large objects, which no column holds": "lo_compat_privileges",
    "GIN indexes, which no statement of ours searches": "gin_fuzzy_search_limit",
    "names of time zones: what is sent says +00": "timezone_abbreviations",
    "collations, which we never make": "icu_validation_level",
    "a superuser's: libraries, damaged files and catalogs, event triggers": """
        dynamic_library_path extension_control_path extension_destdir
        session_preload_libraries local_preload_libraries allow_in_place_tablespaces
        allow_system_table_mods ignore_checksum_failure ignore_system_indexes
        zero_damaged_pages event_triggers""",
    "of one transaction: set by default_transaction_…, which is pinned": """
        transaction_deferrable transaction_isolation transaction_read_only""",
    "we use no ASSERT": "plpgsql.check_asserts",
    "no name in our functions is both variable and column: that is an error": """
        plpgsql.variable_conflict""",
}

# By `session.pin` itself, after a look at what is there.
BY_LOOK = ("synchronous_commit", "session_replication_role")

# Why a link need not say what our own sessions do.
NOT_THE_LINKS = {
    "postgres_fdw says it": """
        search_path datestyle intervalstyle timezone extra_float_digits client_encoding
        default_transaction_isolation""",
    "set for the role, as not every server has it": """
        restrict_nonsystem_relation_kind transaction_timeout""",
    "a link makes no objects, roles and functions": """
        role check_function_bodies default_table_access_method default_tablespace
        default_toast_compression createrole_self_grant temp_tablespaces""",
    "it says how to take a quote in a literal that no link sends": """
        escape_string_warning""",
    "the course's own triggers may ask for it: no value of ours depends on it": """
        default_text_search_config lc_monetary lc_numeric lc_time""",
    "a superuser's": "session_replication_role",
}

# What a value's text depends on: pinned on the functions that make or read texts, for
# there the session is the application's, or one that a pooler has stripped.
OF_TEXTS = [
    "DateStyle",
    "TimeZone",
    "IntervalStyle",
    "extra_float_digits",
    "bytea_output",
    "array_nulls",
    "xmloption",
    "quote_all_identifiers",
]


def harmless() -> dict[str, str]:
    """Return why each setting is harmless."""
    return {name: why for why, names in HARMLESS.items() for name in names.split()}
