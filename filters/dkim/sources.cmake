# The files of the DKIM filter but dkim.c (descriptor and hooks): built as a module, and into the unit tests.
set(dkim_sources
    # pure: one signature, one key, canonical forms, a whole message
    base64.c signature.c key.c key_cache.c digest.c canon.c select.c body.c verify.c
    # what becomes of the results
    settings.c policy.c judge.c report.c)
