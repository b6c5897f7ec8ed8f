mw_test(base.inet SOURCES test_inet.c USES base)
mw_test(base.lex SOURCES test_lex.c USES base)
mw_test(base.diag SOURCES test_diag.c USES base)
mw_test(base.conf SOURCES test_conf.c USES base)
