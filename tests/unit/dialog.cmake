# The dialogs of tests/system/dialogs, first against the pure session (here), then against the program.
mw_test(pure SOURCES dialog_pure.c ${PROJECT_SOURCE_DIR}/tests/lib/dialog.c ${PROJECT_SOURCE_DIR}/tests/lib/pure_set.c USES pure session LABEL dialog TIMEOUT 600)
set_tests_properties(dialog.pure PROPERTIES LABELS "unit;dialog")

add_library(testfilter_dialog MODULE ${PROJECT_SOURCE_DIR}/tests/data/filters/dialog.c)
set_target_properties(testfilter_dialog PROPERTIES PREFIX "" OUTPUT_NAME dialog
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/filters)
target_include_directories(testfilter_dialog PRIVATE ${PROJECT_SOURCE_DIR}/proxy/include)
target_link_libraries(testfilter_dialog PRIVATE mw_build)

find_program(MW_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(MW_PYTHON AND TARGET mailweir)
    add_test(NAME dialog.binary COMMAND ${MW_PYTHON} ${PROJECT_SOURCE_DIR}/tests/system/dialogs/run_binary.py
        --mailweir $<TARGET_FILE:mailweir> --filters $<TARGET_FILE_DIR:testfilter_dialog>)
    set_tests_properties(dialog.binary PROPERTIES LABELS "system;dialog" TIMEOUT 600)
else()
    message(NOTICE "no /usr/bin/python3 or no program: the dialogs are not run against the program")
endif()
