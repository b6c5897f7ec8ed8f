# What several shipped filters share. Hosts that tests play have in common: texts, and settings from a text.
add_library(mw_fake STATIC fake_host.c fake_settings.c fake_text.c)
target_include_directories(mw_fake PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(mw_fake PUBLIC filter_kit mw_base PRIVATE mw_build)

foreach(test text domain taglist result)
    mw_test(kit.${test} SOURCES test_kit_${test}.c LIBS filter_kit)
endforeach()
foreach(test action client recipient log_line reader)
    mw_test(kit.${test} SOURCES test_kit_${test}.c LIBS filter_kit USES fake)
endforeach()
