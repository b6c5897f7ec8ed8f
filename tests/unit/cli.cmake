mw_test(cli.sink SOURCES test_sink.c USES cli)
