mw_test(base.slice SOURCES test_slice.c USES base)
mw_test(base.buf SOURCES test_buf.c USES base)
mw_test(base.queue SOURCES test_queue.c USES base)
