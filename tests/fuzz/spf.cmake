mw_fuzz(spf_record USES spf_pure)
mw_fuzz(spf_macro USES spf_pure)
mw_fuzz(spf_check USES spf_pure)
