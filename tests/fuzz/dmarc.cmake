mw_fuzz(dmarc_record USES dmarc_under_test)
