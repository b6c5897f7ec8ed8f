mw_fuzz(decode USES message)
mw_fuzz(header USES message)
