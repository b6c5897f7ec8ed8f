# The dialogs of tests/system/dialogs, first against the pure session (here), then against the program.
mw_test(pure SOURCES dialog_pure.c ${PROJECT_SOURCE_DIR}/tests/lib/dialog.c USES pure session LABEL dialog TIMEOUT 300)
set_tests_properties(dialog.pure PROPERTIES LABELS "unit;dialog")
