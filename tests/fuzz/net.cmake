mw_fuzz(proxyproto USES net)
mw_fuzz(dnsanswer USES net)
