mw_test(base.log SOURCES test_log.c USES base)
