# The rule engine's files are compiled into the tests, over a fake host (rules_fake.c): no proxy is needed, only its lexer.
set(rules_dir ${PROJECT_SOURCE_DIR}/filters/rules)
set(rules_sources actions.c check.c decode.c eval.c expand.c fields.c list.c live.c load.c parse.c parse_action.c
    parse_cond.c parse_test.c regex.c rules.c run.c stages.c testblock.c testmail.c text.c)
list(TRANSFORM rules_sources PREPEND ${rules_dir}/)
add_library(mw_rules_under_test STATIC ${rules_sources} rules_fake.c)
target_include_directories(mw_rules_under_test PUBLIC ${rules_dir} ${PROJECT_SOURCE_DIR}/proxy/include
    ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(mw_rules_under_test PUBLIC mw_base PkgConfig::PCRE2 PRIVATE mw_build)

mw_test(rules.parse SOURCES test_rules_parse.c USES rules_under_test)
mw_test(rules.eval SOURCES test_rules_eval.c USES rules_under_test)
mw_test(rules.live SOURCES test_rules_live.c USES rules_under_test)
mw_test(rules.shipped SOURCES test_rules_shipped.c USES rules_under_test)
