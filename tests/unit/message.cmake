mw_test(message.decode SOURCES test_decode.c USES message)
mw_test(message.envelope SOURCES test_envelope.c USES message)
mw_test(message.header SOURCES test_header.c USES message)
mw_test(message.spool SOURCES test_spool.c USES message)
