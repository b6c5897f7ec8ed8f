mw_fuzz(config USES base)
mw_fuzz(inet USES base)
mw_fuzz(lexer USES base)
