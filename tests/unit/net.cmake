mw_test(net.conn SOURCES test_conn.c USES net)
mw_test(net.listener SOURCES test_listener.c USES net)
mw_test(net.proxyproto SOURCES test_proxyproto.c USES net)
