# What several shipped filters share.
mw_test(kit.domain SOURCES test_kit_domain.c LIBS filter_kit)
mw_test(kit.taglist SOURCES test_kit_taglist.c LIBS filter_kit)
mw_test(kit.result SOURCES test_kit_result.c LIBS filter_kit)
mw_test(kit.action SOURCES test_kit_action.c LIBS filter_kit)
