# The files of the rule engine: built as a filter module, and into the unit tests.
set(rules_sources
    # the set, its files, what is wrong with them
    load.c parse.c parse_action.c parse_cond.c parse_group.c parse_list.c parse_dnsbl.c parse_test.c parse_import.c check.c closed.c writes.c cheap.c stages.c fields.c actions.c
    # one stage
    trigger.c names.c run.c run_end.c group.c marks.c eval.c expand.c live.c prefetch.c values.c header_values.c content_values.c dnsbl_values.c date.c rate.c
    # patterns
    regex.c regex_class.c regex_price.c regex_tree.c regex_tree_set.c literal.c index.c index_scan.c
    # lists
    list.c list_file.c list_table.c list_net.c list_map.c list_keys.c list_lmdb.c list_regex.c
    list_answers.c list_redis.c list_dnsbl.c dnsbl_read.c dnsbl_zone.c list_watch.c
    # tables of other programs
    import.c import_write.c import_pattern.c import_lines.c import_action.c import_postfix.c import_edit.c import_value.c import_access.c import_cidr.c
    import_milter_regex.c import_spamassassin.c import_sa_tests.c import_sa_meta.c
    # tests and tools
    testblock.c testmail.c describe.c explain.c explain_tree.c report.c coverage.c tool.c tool_lint.c tool_bench.c tool_fmt.c tool_fmt_cut.c tool_fmt_layout.c
    tool_fmt_same.c tool_import.c tool_counters.c tool_syntax.c)
