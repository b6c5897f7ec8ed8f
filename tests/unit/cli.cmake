mw_test(cli.sink SOURCES test_sink.c USES cli)
mw_test(cli.model SOURCES test_model.c USES cli)
