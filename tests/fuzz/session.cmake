mw_fuzz(session SOURCES ${PROJECT_SOURCE_DIR}/tests/lib/pure_set.c USES pure session)
