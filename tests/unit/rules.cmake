# The rule engine's files are compiled into the tests, over a fake host (rules_fake.c): no proxy is needed, only its lexer.
set(rules_dir ${PROJECT_SOURCE_DIR}/filters/rules)
include(${rules_dir}/sources.cmake)
list(TRANSFORM rules_sources PREPEND ${rules_dir}/)
list(APPEND rules_sources ${rules_dir}/rules.c)
add_library(mw_rules_under_test STATIC ${rules_sources} rules_fake.c)
target_include_directories(mw_rules_under_test PUBLIC ${rules_dir} ${PROJECT_SOURCE_DIR}/proxy/include
    ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(mw_rules_under_test PUBLIC mw_fake filter_kit mw_base mw_message PkgConfig::PCRE2 PkgConfig::LMDB PkgConfig::HIREDIS PRIVATE mw_build)

# ... and the machinery of patterns alone, which needs nothing else of it
set(patterns_sources regex.c regex_class.c regex_price.c regex_tree.c regex_tree_set.c literal.c index.c index_scan.c)
list(TRANSFORM patterns_sources PREPEND ${rules_dir}/)
add_library(mw_patterns_under_test STATIC ${patterns_sources} regex_kit.c)
target_include_directories(mw_patterns_under_test PUBLIC ${rules_dir} ${PROJECT_SOURCE_DIR}/proxy/include
    ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(mw_patterns_under_test PUBLIC filter_kit PkgConfig::PCRE2 PRIVATE mw_build)

mw_test(rules.parse SOURCES test_rules_parse.c USES rules_under_test)
mw_test(rules.eval SOURCES test_rules_eval.c USES rules_under_test)
mw_test(rules.live SOURCES test_rules_live.c USES rules_under_test)
mw_test(rules.order SOURCES test_rules_order.c USES rules_under_test)
mw_test(rules.law SOURCES test_rules_law.c USES rules_under_test)
mw_test(rules.shipped SOURCES test_rules_shipped.c USES rules_under_test)
mw_test(rules.literal SOURCES test_rules_literal.c USES patterns_under_test)
mw_test(rules.index SOURCES test_rules_index.c USES patterns_under_test)
mw_test(rules.regex SOURCES test_rules_regex.c USES patterns_under_test)
mw_test(rules.lists SOURCES test_rules_lists.c list_kit.c USES rules_under_test)
mw_test(rules.list_reload SOURCES test_rules_list_reload.c list_kit.c USES rules_under_test)
mw_test(rules.list_slow SOURCES test_rules_list_slow.c list_kit.c USES rules_under_test)
mw_test(rules.dnsbl SOURCES test_rules_dnsbl.c list_kit.c USES rules_under_test)
mw_test(rules.dnsbl_share SOURCES test_rules_dnsbl_share.c list_kit.c USES rules_under_test)
mw_test(rules.dnsbl_rules SOURCES test_rules_dnsbl_rules.c USES rules_under_test)
mw_test(rules.import SOURCES test_rules_import.c test_rules_import_checks.c test_rules_import_access.c
    test_rules_import_milter_regex.c test_rules_import_spamassassin.c test_rules_import_oracle.c import_kit.c USES rules_under_test)
mw_test(rules.prefetch SOURCES test_rules_prefetch.c USES rules_under_test)
mw_test(rules.explain SOURCES test_rules_explain.c USES rules_under_test)
mw_test(rules.ref SOURCES test_rules_ref.c rules_ref.c rules_ref_eval.c rules_ref_values.c rules_ref_act.c rules_gen.c rules_diff.c USES rules_under_test)
mw_test(rules.tools SOURCES test_rules_tools.c USES rules_under_test)
