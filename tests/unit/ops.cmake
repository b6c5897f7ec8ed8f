mw_test(ops.config SOURCES test_config.c USES ops)
add_dependencies(test_ops_config filter_limits)
mw_test(ops.schema SOURCES test_schema.c USES ops)
mw_test(ops.process SOURCES test_process.c USES ops)
