add_library(mw_pure STATIC ${PROJECT_SOURCE_DIR}/tests/lib/pure.c)
target_include_directories(mw_pure PUBLIC ${PROJECT_SOURCE_DIR}/tests/lib)
target_link_libraries(mw_pure PUBLIC mw_session PRIVATE mw_build)
mw_test(session.random SOURCES test_session_random.c USES pure session TIMEOUT 600)
