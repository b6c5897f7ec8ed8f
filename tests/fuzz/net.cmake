mw_fuzz(proxyproto USES net)
