mw_fuzz(dmarc_record USES dmarc_under_test)
mw_fuzz(dmarc_from USES dmarc_under_test message)
