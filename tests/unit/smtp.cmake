mw_test(smtp.command SOURCES test_command.c USES smtp)
mw_test(smtp.path SOURCES test_path.c USES smtp)
mw_test(smtp.line SOURCES test_line.c USES smtp)
mw_test(smtp.reply SOURCES test_reply.c USES smtp)
mw_test(smtp.ehlo SOURCES test_ehlo.c USES smtp)
mw_test(smtp.dots SOURCES test_dots.c USES smtp)
# The same tests against the scanner without SIMD.
mw_test(smtp.dots_portable SOURCES test_dots.c ${PROJECT_SOURCE_DIR}/proxy/smtp/dots.c USES base)
target_compile_definitions(test_smtp_dots_portable PRIVATE MW_DOTS_PORTABLE)
