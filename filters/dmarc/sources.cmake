# The files of the DMARC filter but dmarc.c (descriptor and hooks): built as a module, and into the unit tests.
set(dmarc_sources
    # the evaluation, pure
    record.c answers.c walk.c author.c from.c align.c
    # what becomes of its result
    settings.c policy.c judge.c act.c report.c)
