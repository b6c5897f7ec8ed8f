/* haproxy_header.h - a PROXY v2 header as HAProxy 2.6.12 sent it with every option on: TLS, ALPN, SNI, CRC32C, unique id. */
#ifndef MW_TEST_HAPROXY_HEADER_H
#define MW_TEST_HAPROXY_HEADER_H

static const char haproxy[] = "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x7e\x7f"
                              "\x00\x00\x01\x7f\x00\x00\x01\xe9\x1e\x5f\xb8"
                              "\x03\x00\x04\x50\x75\xe3\x1c"
                              "\x01\x00\x04smtp"
                              "\x02\x00\x0cmx.weir.test"
                              "\x05\x00\x10"
                              "7F000001:E91E_--"
                              "\x20\x00\x3f\x01\x00\x00\x00\x00"
                              "\x21\x00\x07TLSv1.3"
                              "\x25\x00\x07RSA2048"
                              "\x24\x00\x0aRSA-SHA256"
                              "\x23\x00\x16TLS_AES_256_GCM_SHA384";
enum { HAPROXY_LEN = sizeof haproxy - 1 };

#endif
