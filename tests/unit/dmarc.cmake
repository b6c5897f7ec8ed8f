# The DMARC filter's files but its hooks are compiled into the tests.
set(dmarc_dir ${PROJECT_SOURCE_DIR}/filters/dmarc)
include(${dmarc_dir}/sources.cmake)
list(TRANSFORM dmarc_sources PREPEND ${dmarc_dir}/)
add_library(mw_dmarc_under_test STATIC ${dmarc_sources})
target_include_directories(mw_dmarc_under_test PUBLIC ${dmarc_dir})
target_link_libraries(mw_dmarc_under_test PUBLIC filter_kit PRIVATE mw_build)

mw_test(dmarc.record SOURCES test_dmarc_record.c USES dmarc_under_test)
mw_test(dmarc.walk SOURCES test_dmarc_walk.c dmarc_kit.c USES dmarc_under_test)
mw_test(dmarc.align SOURCES test_dmarc_align.c dmarc_kit.c USES dmarc_under_test)
mw_test(dmarc.policy SOURCES test_dmarc_policy.c USES dmarc_under_test)
mw_test(dmarc.author SOURCES test_dmarc_author.c USES dmarc_under_test message)
mw_test(dmarc.forged SOURCES test_dmarc_forged.c dmarc_kit.c USES dmarc_under_test message)
