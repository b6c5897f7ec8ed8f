# The files of the SPF filter but spf.c (descriptor and hooks): built as a module, and into the unit tests.
# check_host(), pure
set(spf_pure_sources check.c evaluate.c terms.c explain.c answers.c pool.c record.c macro.c engine.c)
set(spf_sources ${spf_pure_sources}
    # what becomes of its result
    settings.c settings_read.c policy.c words.c lookup.c judge.c report.c)
