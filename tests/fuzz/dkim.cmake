mw_fuzz(dkim_signature USES dkim_under_test)
mw_fuzz(dkim_key USES dkim_under_test)
mw_fuzz(dkim_canon USES dkim_under_test)
