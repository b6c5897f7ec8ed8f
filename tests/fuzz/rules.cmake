mw_fuzz(rules USES rules_under_test)
